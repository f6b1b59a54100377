//! What operators look at exists: each metric and label that the dashboard and the alerts ask for is one of a scrape,
//! each alert has its section in the runbook, and the runbook lists every metric.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::promql::Query;
use super::{ARGUMENTS, scrape};
use crate::support::{TestApp, run};

const RUNBOOK: &str = "docs/OPERATIONS.md";
/// What Prometheus itself says of a target.
const TARGET: [&str; 2] = ["job", "instance"];

fn text_of(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What a scrape has.
#[derive(Debug, Default)]
struct Exposed {
    /// Each metric with its type.
    metrics: BTreeMap<String, String>,
    /// Each series' name with its labels and their values.
    series: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Exposed {
    fn read(lines: &[String]) -> Self {
        let mut exposed = Self::default();
        for line in lines {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
                exposed.metrics.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (series, _) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let known = exposed.series.entry(name.to_owned()).or_default();
                let labels =
                    labels.strip_suffix("\"}").unwrap_or(labels).split("\",").filter(|label| !label.is_empty());
                for (label, value) in labels.map(|label| label.split_once("=\"").unwrap()) {
                    known.entry(label.to_owned()).or_default().insert(value.to_owned());
                }
            }
        }
        exposed
    }

    /// Of a server that has done a little of everything.
    async fn of_a_server() -> Self {
        let app = TestApp::with(&ARGUMENTS).await;
        let ada = app.user("ada").await;
        let id = ada.create(&json!([run(None, "a")])).await.remove(0);
        for _ in 0..2 {
            ada.get(&format!("/runs/{id}")).await.ok(200);
        }
        let message = json!({"messages": [{"msg_uuid": Uuid::new_v4(), "payload": 1}]});
        ada.post("/api/v1/topics/work/messages", &message).await.ok(200);
        ada.post("/api/v1/topics/work/leases", &json!({"consumer_id": "c", "max": 1})).await.ok(200);
        ada.get("/readyz").await.ok(200);
        Self::read(&scrape(&app.client()).await)
    }

    /// The labels of a metric, without those by which its parts are told apart.
    fn labels(&self, metric: &str) -> BTreeSet<&str> {
        let count = format!("{metric}_count");
        let labels = self.series.get(metric).or_else(|| self.series.get(&count)).unwrap_or_else(|| panic!("{metric}"));
        labels.keys().map(String::as_str).collect()
    }

    /// What a query asks for and does not get.
    fn missing(&self, query: &Query) -> Vec<String> {
        let (mut missing, nothing) = (Vec::new(), BTreeMap::new());
        let mut at_hand: BTreeSet<&str> = TARGET.into();
        for selector in &query.selectors {
            let metric = selector.metric.as_str();
            let labels = match self.series.get(metric) {
                Some(labels) => labels,
                None if metric == "up" => &nothing,
                None => {
                    missing.push(metric.to_owned());
                    continue;
                }
            };
            at_hand.extend(labels.keys().map(String::as_str));
            for (label, how, value) in &selector.matchers {
                match labels.get(label) {
                    None if TARGET.contains(&label.as_str()) => {}
                    None => missing.push(format!("{metric}{{{label}}}")),
                    // Nothing has failed here, and everything else can be shown to be there.
                    Some(_) if value == "error" => {}
                    Some(values) if how.ends_with('~') || values.contains(value) => {}
                    Some(values) => missing.push(format!("{metric}{{{label}}} is {values:?}, never {value:?}")),
                }
            }
        }
        missing.extend(query.labels.iter().filter(|label| !at_hand.contains(label.as_str())).cloned());
        missing
    }

    /// What a text with labels between `open` and `close` names that the query does not give.
    fn unnamed(&self, query: &Query, text: &str, open: &str, close: &str) -> Vec<String> {
        let mut at_hand: BTreeSet<&str> = TARGET.into();
        let series = query.selectors.iter().filter_map(|selector| self.series.get(&selector.metric));
        at_hand.extend(series.flat_map(|labels| labels.keys().map(String::as_str)));
        let names = text.split(open).skip(1).map(|rest| rest.split_once(close).unwrap().0.trim());
        names.filter(|name| !at_hand.contains(name)).map(str::to_owned).collect()
    }
}

fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&text_of("deploy/prometheus/alerts.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The headings of a page as links name them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let kept = line.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[tokio::test]
async fn the_dashboard_asks_for_what_there_is() {
    let exposed = Exposed::of_a_server().await;
    let dashboard: Value = serde_json::from_str(&text_of("deploy/grafana/runyard.json")).unwrap();
    assert!(dashboard["schemaVersion"].as_u64() >= Some(39) && dashboard.get("id").is_none());
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!((&variables[0]["name"], &variables[0]["type"]), (&json!("datasource"), &json!("datasource")));
    for variable in &variables[1..] {
        let query = variable["query"]["query"].as_str().unwrap();
        let (metric, label) = query.strip_prefix("label_values(").unwrap().split_once(", ").unwrap();
        assert_eq!(exposed.missing(&Query::read(metric)), Vec::<String>::new(), "{query}");
        assert!(TARGET.contains(&label.trim_end_matches(')')) || label.contains(", "), "{query}");
    }
    let (mut ids, mut asked) = (BTreeSet::new(), 0);
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            let expression = target["expr"].as_str().unwrap();
            let query = Query::read(expression);
            assert!(!query.selectors.is_empty(), "{expression}");
            assert_eq!(exposed.missing(&query), Vec::<String>::new(), "{expression}");
            let legend = target["legendFormat"].as_str().unwrap();
            assert_eq!(exposed.unnamed(&query, legend, "{{", "}}"), Vec::<String>::new(), "{expression}: {legend}");
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
}

#[tokio::test]
async fn each_alert_asks_for_what_there_is_and_has_its_section_in_the_runbook() {
    let exposed = Exposed::of_a_server().await;
    let (anchors, tried) = (anchors(&text_of(RUNBOOK)), text_of("deploy/prometheus/alerts.test.yaml"));
    let alerts = alerts();
    assert!(alerts.len() > 10);
    for alert in &alerts {
        let (name, expression) = (alert["alert"].as_str().unwrap(), alert["expr"].as_str().unwrap());
        let query = Query::read(expression);
        assert_eq!(exposed.missing(&query), Vec::<String>::new(), "{name}");
        let annotations = &alert["annotations"];
        for said in ["summary", "description"] {
            let text = annotations[said].as_str().unwrap();
            let text = text.replace("}}", " }}");
            assert_eq!(exposed.unnamed(&query, &text, "$labels.", " "), Vec::<String>::new(), "{name}");
        }
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        assert_eq!(annotations["runbook"], format!("{RUNBOOK}#{}", name.to_lowercase()));
        let sections = anchors.iter().filter(|anchor| **anchor == name.to_lowercase()).count();
        assert_eq!(sections, 1, "{name} has {sections} sections in {RUNBOOK}");
        assert!(tried.contains(&format!("alertname: {name} ")), "nothing tries that {name} is silent");
        assert!(tried.matches(name).count() > 1, "nothing tries that {name} is raised");
    }
    // And the other way around: no section is of an alert that is gone.
    let names: Vec<String> = alerts.iter().map(|alert| alert["alert"].as_str().unwrap().to_lowercase()).collect();
    let sections = anchors.iter().filter(|anchor| anchor.starts_with("runyard"));
    assert_eq!(sections.filter(|anchor| !names.contains(anchor)).count(), 0);
}

#[tokio::test]
async fn the_runbook_lists_every_metric_with_its_type_and_labels() {
    let exposed = Exposed::of_a_server().await;
    let page = text_of(RUNBOOK);
    let (_, section) = page.split_once("\n## Metrics\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut listed = BTreeMap::new();
    for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels: BTreeSet<&str> = cells[2].split('`').skip(1).step_by(2).collect();
        let name = cells[0].trim_end_matches('`');
        assert!(listed.insert(name, (cells[1], labels)).is_none(), "{name} is listed twice");
    }
    let there: BTreeMap<&str, _> =
        exposed.metrics.iter().map(|(name, kind)| (name.as_str(), (kind.as_str(), exposed.labels(name)))).collect();
    assert_eq!(listed, there);
}

#[test]
fn a_query_for_what_is_not_there_is_noticed() {
    let lines = ["# TYPE a counter", "a{state=\"idle\",route=\"/x/{id}\"} 1", "# TYPE b gauge", "b 2"];
    let exposed = Exposed::read(&lines.map(str::to_owned));
    let nothing: Vec<String> = Vec::new();
    let missing = |query: &str| exposed.missing(&Query::read(query));
    assert_eq!(missing("sum by (state, job) (rate(a{state=\"idle\", route=\"/x/{id}\"}[5m])) > b"), nothing);
    assert_eq!(missing("up{job=\"x\"} == 0"), nothing);
    assert_eq!(missing("rate(gone[5m])"), ["gone"]);
    assert_eq!(missing("a{gone=\"x\"}"), ["a{gone}"]);
    assert_eq!(missing("a{state=\"busy\"}").len(), 1);
    assert_eq!(missing("sum by (gone) (a)"), ["gone"]);
    let query = Query::read("sum by (state) (a)");
    assert_eq!(exposed.unnamed(&query, "{{state}} {{gone}}", "{{", "}}"), ["gone"]);
    assert_eq!(anchors("# Top\n### What is `it`?\n"), ["top", "what-is-it"]);
}
