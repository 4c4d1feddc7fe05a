// Package sessiontest tests implementations of [session.SessionStore].
//
// [Run] is the conformance suite. An engine's test calls it with a function
// that makes a fresh store and with the [Features] that the engine declares:
//
//	func TestConformance(t *testing.T) {
//		sessiontest.Run(t, func(t *testing.T) session.SessionStore {
//			store, err := myengine.Open(t.TempDir())
//			if err != nil {
//				t.Fatal(err)
//			}
//			t.Cleanup(func() { store.Close() })
//			return store
//		}, sessiontest.Features{
//			Revocable:        true,
//			DetectsConflicts: true,
//			StableToken:      true,
//		})
//	}
//
// What an engine declares is tested on both sides: one that says that it can
// revoke sessions must do so, and one that says that it cannot must not look as
// if it did.
//
// [RunRandom] does the same random operations on any number of engines and
// compares each with what its features promise. [RunBenchmarks] measures an
// engine without HTTP around it.
//
// [Memory] is a store in the memory of the process, for tests and for
// development.
package sessiontest
