//! Traces across programs, after W3C Trace Context: who calls us may be traced already, and learns where we went on.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use poem::Request;
use poem::http::{HeaderValue, Method};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// Where an answer says how its request was traced.
pub const TRACERESPONSE: &str = "traceresponse";

/// The trace that a request belongs to.
#[derive(Debug)]
pub struct Trace {
    /// Its exported span; none when nothing is exported.
    pub span: Span,
    /// The trace's id, which the log shows.
    pub id: TraceId,
    /// What the answer says; nothing when neither side traces.
    pub response: Option<HeaderValue>,
}

impl Trace {
    /// Goes on with the caller's trace, or begins one.
    pub fn begin(request: &Request, request_id: &str) -> Self {
        let span = tracing::info_span!(
            target: "otel",
            parent: None,
            "request",
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = request.method().as_str(),
            http.route = Empty,
            http.response.status_code = Empty,
            request.id = request_id,
        );
        let caller = caller(request);
        if span.is_disabled() {
            let id = caller.as_ref().map_or_else(new_id, SpanContext::trace_id);
            let response =
                caller.map(|caller| (caller.trace_id(), SpanId::from(rand::random::<u64>()), TraceFlags::NOT_SAMPLED));
            return Self { span, id, response: response.and_then(header) };
        }
        if let Some(caller) = caller {
            // It cannot have begun: nobody else has seen it yet.
            let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(caller));
        }
        let ours = span.context().span().span_context().clone();
        let response = header((ours.trace_id(), ours.span_id(), ours.trace_flags()));
        Self { span, id: ours.trace_id(), response }
    }

    /// Says how the request ended.
    pub fn end(&self, method: &Method, route: &str, status: u16) {
        if self.span.is_disabled() {
            return;
        }
        self.span.context().span().update_name(format!("{method} {route}"));
        self.span.record("http.route", route);
        self.span.record("http.response.status_code", status);
        if status >= 500 {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

fn new_id() -> TraceId {
    TraceId::from(uuid::Uuid::now_v7().as_u128())
}

fn header((trace, span, flags): (TraceId, SpanId, TraceFlags)) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("00-{trace}-{span}-{:02x}", flags.to_u8())).ok()
}

/// The caller's span, when it names one that is well formed.
fn caller(request: &Request) -> Option<SpanContext> {
    let (trace, span, flags) = parse(request.header(TRACEPARENT)?)?;
    let state = request.header(TRACESTATE).and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    Some(SpanContext::new(trace, span, flags, true, state))
}

/// `00-<trace>-<span>-<flags>`; a later version may have more behind it.
fn parse(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut parts = text.trim().splitn(5, '-');
    let mut hexadecimal = |digits| {
        let part = parts.next()?;
        let fits = part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then_some(part)
    };
    let version = hexadecimal(2).filter(|version| *version != "ff")?;
    let trace = TraceId::from_hex(hexadecimal(32)?).ok().filter(|trace| *trace != TraceId::INVALID)?;
    let span = SpanId::from_hex(hexadecimal(16)?).ok().filter(|span| *span != SpanId::INVALID)?;
    let flags = u8::from_str_radix(hexadecimal(2)?, 16).ok()?;
    if version == "00" && parts.next().is_some() {
        return None;
    }
    Some((trace, span, TraceFlags::new(flags) & TraceFlags::SAMPLED))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_well_formed_parent_is_understood() {
        let (trace, span, flags) = parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!((trace.to_string().as_str(), span.to_string().as_str(), flags.is_sampled()), (TRACE, SPAN, true));
        assert!(!parse(&format!("00-{TRACE}-{SPAN}-00")).unwrap().2.is_sampled());
        assert!(parse(&format!("01-{TRACE}-{SPAN}-01-more")).is_some());
        let said = header((trace, span, flags)).unwrap();
        assert_eq!(said.to_str().unwrap(), format!("00-{TRACE}-{SPAN}-01"));
    }

    #[test]
    fn a_parent_of_another_form_is_as_good_as_none() {
        let zeros = "0".repeat(32);
        let wrong = [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}x-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-+1"),
        ];
        for text in wrong {
            assert!(parse(&text).is_none(), "{text}");
        }
    }
}
