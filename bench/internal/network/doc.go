// Package network measures what visitors see of a site: the bytes of whole
// requests and responses on a connection with TLS ([CountBytes]), their latency
// under load ([RunLoad]), and the time of pages over slow links ([MeasurePages]),
// which the model of package bench is held against ([PageResult.Observe]).
//
// The site and its visitors are in one process, on the loopback interface. A
// process of its own would need the same processors on one machine, and the
// program's help to start; and what the visitors take is the same for all
// engines, for which the one named [NoSession] is there, a site that keeps no
// sessions. A visitor does its requests without the machinery of net/http's
// client, so that it takes little, and sends what Chrome sends. Differences
// between engines count, and not absolute times: a throughput is one of a site
// and its visitors together.
//
// Whatever is compared in time is measured in turns: each round measures
// everything once, in an order of its own, after a garbage collection each time.
//
// # Bytes
//
// The versions of HTTP differ in what a cookie costs. HTTP/1.1 sends it whole with each
// request. HTTP/2 sends a header field whole once, and then a reference of a
// byte or two for as long as the field is the same and both sides remember it
// (RFC 7541, section 2.3): 4096 bytes of header fields, each counted with 32
// more. So a cookie that does not change is nearly free, one that does is paid
// for with each change, and a large one pushes other fields out and is pushed
// out itself.
//
// The visitor sends what Chrome sends, and chooses as Chrome does which fields
// the table is to hold; the server is net/http's. Requests come one after the
// other, which with HTTP/2 changes only how many of them share a TLS record.
// Bodies have a few bytes, and the certificate is a short one.
//
// Counts repeat within a percent or two, and not exactly: tokens are random, and
// the Huffman code of HTTP/2 (RFC 7541, section 5.2) takes 5 to 8 bits for a
// character of theirs; and the server puts a response's header and body into one
// TLS record or into two, as it happens, which take 22 bytes more each. The Date
// header is the trace's own.
package network
