//! A collector that speaks OTLP over HTTP, and gives a test the spans that it was sent.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use poem::endpoint::make;
use poem::listener::TcpAcceptor;
use poem::{EndpointExt, Request, Response, Route, Server, post};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The collector; it ends when it is dropped.
pub struct Collector {
    /// What a server is told to send to.
    pub endpoint: String,
    arrived: mpsc::UnboundedReceiver<(String, Span)>,
    serving: JoinHandle<()>,
}

impl Collector {
    /// A collector on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (sender, arrived) = mpsc::unbounded_channel();
        let take = make(move |mut request: Request| {
            let sender = sender.clone();
            async move {
                assert_eq!(request.content_type(), Some("application/x-protobuf"));
                let body = request.take_body().into_bytes().await.unwrap();
                for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                    let about = attributes(&resource.resource.unwrap_or_default().attributes);
                    let service = about.get("service.name").cloned().unwrap_or_default();
                    for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                        let _ = sender.send((service.clone(), span));
                    }
                }
                Response::builder().content_type("application/x-protobuf").body(Vec::new())
            }
        });
        let routes = Route::new().at("/v1/traces", post(take)).boxed();
        let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap());
        let serving = tokio::spawn(async move { server.run(routes).await.unwrap() });
        Self { endpoint, arrived, serving }
    }

    /// What has arrived since this was asked last, each span with the name of its service.
    pub fn arrived(&mut self) -> Vec<(String, Span)> {
        std::iter::from_fn(|| self.arrived.try_recv().ok()).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Attributes as texts.
pub fn attributes(attributes: &[KeyValue]) -> HashMap<String, String> {
    let text = |attribute: &KeyValue| {
        let value = match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            Some(Value::BoolValue(truth)) => truth.to_string(),
            other => format!("{other:?}"),
        };
        (attribute.key.clone(), value)
    };
    attributes.iter().map(text).collect()
}
