//! Logs and traces. Logs go to standard error, so that standard output holds what was asked for and nothing else.

use crate::config::{Log, LogFormat, Otlp};
use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::io::IsTerminal;
use std::time::Duration;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// The target of the spans that requests are traced by.
pub(crate) const REQUEST_TARGET: &str = "almoner_http";
/// How long the last traces may take to leave at the end.
const FLUSH_WAIT: Duration = Duration::from_secs(3);

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// What must be ended, so that the last traces leave.
#[must_use = "dropped without `stop`, the last traces may be lost"]
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts logging, and tracing where a collector is named. Before any runtime is: the exporter has one of its own.
    pub(crate) fn start(log: &Log, otlp: &Otlp) -> anyhow::Result<Self> {
        let filter = EnvFilter::try_new(&log.filter.0).context("log.filter")?;
        let mut layers: Vec<Boxed> = vec![match log.format {
            LogFormat::Json => {
                tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).with_filter(filter).boxed()
            }
            LogFormat::Pretty => {
                let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                let lines = tracing_subscriber::fmt::layer().with_ansi(colour).with_writer(std::io::stderr);
                lines.with_filter(filter).boxed()
            }
        }];
        let traces = otlp.endpoint.as_ref().map(|endpoint| provider(&endpoint.0, otlp)).transpose()?;
        if let Some(traces) = &traces {
            let spans = EnvFilter::new(format!("off,almoner=info,{REQUEST_TARGET}=debug"));
            let tracer = traces.tracer("almoner");
            layers.push(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(spans).boxed());
        }
        tracing_subscriber::registry().with(layers).try_init().context("logging was started before")?;
        Ok(Self { traces })
    }

    /// Sends the last traces.
    pub(crate) fn stop(self) {
        if let Some(traces) = self.traces
            && let Err(why) = traces.shutdown_with_timeout(FLUSH_WAIT)
        {
            tracing::warn!(%why, "the last traces did not leave");
        }
    }
}

fn provider(endpoint: &str, otlp: &Otlp) -> anyhow::Result<SdkTracerProvider> {
    const PATH: &str = "/v1/traces";
    let endpoint = if endpoint.ends_with(PATH) { endpoint.to_owned() } else { format!("{endpoint}{PATH}") };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .with_timeout(Duration::from_millis(otlp.timeout_ms))
        .build()
        .context("otlp.endpoint")?;
    let resource = opentelemetry_sdk::Resource::builder()
        .with_service_name("almoner")
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(otlp.sample_ratio)));
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_sampler(sampler).with_resource(resource).build())
}
