// Package metrics measures what a session engine does: how long its operations
// take and how they end, how large sessions and tokens are, which tokens are
// refused and why, and how many sessions begin and end.
//
// [Instrument] puts a [Store] around any engine, and tells a [Recorder] of each
// operation:
//
//	store := metrics.Instrument(engine, metrics.NewLogRecorder(logger))
//	m, err := session.NewManager(store, session.Options{})
//
// [NewLogRecorder] writes to a log/slog logger. The subpackage otelmetrics
// hands the figures over to OpenTelemetry, and is the only one that depends on
// it. For any other monitoring system, a Recorder is one method.
//
// # What is measured
//
// Operations are those of [session.SessionStore] and its optional interfaces.
// Saving without a token is an operation of its own, [Create], since it begins
// a session. What an engine does not support is no operation.
//
// A Store sees what goes through it. An engine that deletes expired sessions by
// itself, as dbstore does after StartCleanup, reports that through a hook of its
// own, from which an [Event] can be made; the example of [ResultOf] shows how.
//
// # Confidentiality
//
// An Event holds no token, no key or value of a session, and nothing made of
// them but lengths. Its error is the engine's, which must not contain them
// either: see [session.SessionStore].
//
// # Cost
//
// A Store reads the clock twice for each operation, and allocates nothing.
package metrics
