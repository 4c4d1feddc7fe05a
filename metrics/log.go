package metrics

import (
	"context"
	"log/slog"
)

// NewLogRecorder returns a Recorder that writes a line for each operation to
// logger; nil means [slog.Default]. The levels are
//
//	error  Failure
//	warn   TooLarge
//	info   InvalidToken and Gone, and DeleteExpired if it has deleted something
//	debug  everything else
//
// A line has the attributes op, result, duration, data_bytes and token_bytes if
// there are any, deleted for DeleteExpired, and err.
//
// [session.Options].Logger reports what the middleware makes of failures, so
// that both of them together mention a failure twice.
func NewLogRecorder(logger *slog.Logger) Recorder {
	if logger == nil {
		logger = slog.Default()
	}
	return logRecorder{logger}
}

type logRecorder struct{ logger *slog.Logger }

func (r logRecorder) Record(ctx context.Context, e Event) {
	level := logLevel(e)
	if !r.logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 7)
	attrs = append(attrs,
		slog.String("op", e.Op.String()),
		slog.String("result", e.Result.String()),
		slog.Duration("duration", e.Duration))
	if e.DataBytes > 0 {
		attrs = append(attrs, slog.Int("data_bytes", e.DataBytes))
	}
	if e.TokenBytes > 0 {
		attrs = append(attrs, slog.Int("token_bytes", e.TokenBytes))
	}
	if e.Op == DeleteExpired {
		attrs = append(attrs, slog.Int64("deleted", e.Deleted))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error())) // the text only: handlers may print fields of errors
	}
	r.logger.LogAttrs(ctx, level, "session store", attrs...)
}

func logLevel(e Event) slog.Level {
	switch {
	case e.Result == Failure:
		return slog.LevelError
	case e.Result == TooLarge:
		return slog.LevelWarn
	case e.Result == InvalidToken, e.Result == Gone, e.Deleted > 0:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
