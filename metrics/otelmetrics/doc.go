// Package otelmetrics hands the figures of package metrics over to
// OpenTelemetry.
//
//	recorder, err := otelmetrics.New(otelmetrics.Options{})
//	store := metrics.Instrument(engine, recorder)
//
// # Instruments
//
//	name                              instrument  unit       attributes
//	sessionengine.operation.duration  histogram   s          operation, result, error.type
//	sessionengine.data.size           histogram   By         operation
//	sessionengine.token.size          histogram   By         operation
//	sessionengine.token.rejected      counter     {token}    reason
//	sessionengine.session.created     counter     {session}
//	sessionengine.session.renewed     counter     {session}
//	sessionengine.session.deleted     counter     {session}  reason
//	sessionengine.session.count       gauge       {session}  state
//
// What each of them is:
//
//   - operation.duration: each operation of the engine, and how it ended. Its
//     count is the number of operations; the one with the result conflict, for
//     example, is the number of conflicts.
//   - data.size: the serialized sessions that were loaded, created, saved or
//     renewed, before compression and encoding by the engine.
//   - token.size: the tokens of the same operations, which is what a cookie's
//     value has.
//   - token.rejected: the tokens that Load refused.
//   - session.created, session.renewed: sessions that were stored under a fresh
//     token, for the first time or again.
//   - session.deleted: sessions that were deleted. A deletion of one that is not
//     there counts as well, since engines do not tell; of those that were ended
//     with all of their owner's, what the engine knows of.
//   - session.count: the sessions in the store. It is there only after
//     [Recorder.ObserveSessions].
//
// # Attributes
//
//	name                             values
//	sessionengine.operation          load, create, save, renew, touch, delete, delete_unchanged, delete_expired,
//	                                 end_sessions, end_other_sessions, sessions, end_session, end_all_sessions
//	sessionengine.result             ok, not_found, expired, invalid_token, gone, conflict, too_large, canceled, failure
//	error.type                       gone, conflict, too_large, canceled, failure
//	sessionengine.rejection.reason   not_found, expired, invalid_token
//	sessionengine.deletion.reason    ended (by the application), expired
//	sessionengine.state              active, expired
//	sessionengine.store              Options.Store
//
// The operations and results are those of package metrics. An operation that has
// failed has an error.type, as OpenTelemetry's conventions ask for; to refuse a
// token is no failure. Every instrument has the attribute sessionengine.store if
// [Options] has a name for it. No attribute has a value that comes from a
// client or a session.
package otelmetrics
