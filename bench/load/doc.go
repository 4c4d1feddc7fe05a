// Package load measures what visitors see of a site: the latency of whole
// requests over TLS, under load ([Run]) and over slow links ([Measure]), for
// each engine, and how well the model of package bench predicts it
// ([Validate]).
//
// The site and its visitors are in one process, on the loopback interface. A
// process of its own would need the same processors on one machine, and the
// program's help to start; and what the visitors take is the same for all
// engines, for which the one named [NoSession] is there, a site that keeps no
// sessions. A visitor does its requests without the machinery of net/http's
// client, so that it takes little. Differences between engines count, and not
// absolute times: a throughput is one of a site and its visitors together.
//
// Whatever is compared is measured in turns: each round measures everything
// once, in an order of its own, after a garbage collection each time.
package load
