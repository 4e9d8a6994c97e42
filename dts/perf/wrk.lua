-- SPDX-License-Identifier: BSD-3-Clause
-- What wrk has measured, as one line of JSON. Without request() and response() it costs wrk nothing.

function done(summary, latency, requests)
	local e = summary.errors
	io.write(string.format(
		'{"requests": %d, "microseconds": %d, "bytes": %d, "p50_us": %.1f, "p99_us": %.1f, ' ..
		'"connect_errors": %d, "read_errors": %d, "write_errors": %d, "status_errors": %d, ' ..
		'"timeouts": %d}\n',
		summary.requests, summary.duration, summary.bytes, latency:percentile(50),
		latency:percentile(99), e.connect, e.read, e.write, e.status, e.timeout))
end
