package storetest

import "sessionengine/internal/sqltap"

// Calls is what a store asks its driver to send.
type Calls = sqltap.Tap
