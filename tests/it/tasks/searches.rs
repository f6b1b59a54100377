//! `filter` finds a text in any field, in any case, and no character of it means more than itself.

use serde_json::json;

use super::{app, create, titles};
use crate::support::run;

async fn found(client: &crate::support::Client, text: &str) -> Vec<String> {
    let query = serde_urlencoded::to_string([("filter", text), ("sort", "id")]).unwrap();
    titles(client, &query).await
}

#[tokio::test]
async fn a_text_is_found_in_every_field_in_any_case() {
    let (_app, ada) = app().await;
    let run = ada.create(&json!([run(None, "Weather Query")])).await.remove(0);
    create(&ada, &json!({"title": "Überprüfen", "description": "STRASSE ΟΔΟΣ Łódź"})).await;
    create(&ada, &json!({"title": "other", "status": "in_progress", "assigneeID": 4711, "run_id": run})).await;
    for text in ["überPRÜFEN", "ÜBER", "straße", "Straße", "οδος", "ΟΔΟ", "łÓDŹ", "pending"] {
        assert_eq!(found(&ada, text).await, ["Überprüfen"], "{text}");
    }
    let shouted = run.to_uppercase();
    for text in ["OTHER", "in_progress", "PROGRESS", "4711", "71", run.as_str(), &run[3..20], &shouted] {
        assert_eq!(found(&ada, text).await, ["other"], "{text}");
    }
    let id = create(&ada, &json!({"title": "by its id"})).await["id"].to_string();
    assert!(found(&ada, &id).await.contains(&"by its id".to_owned()));
    assert_eq!(found(&ada, "").await.len(), 3);
    assert_eq!(found(&ada, "absent").await.len(), 0);
    // Two fields are not one text.
    assert_eq!(found(&ada, "ÜberprüfenSTRASSE").await.len(), 0);
}

#[tokio::test]
async fn a_change_changes_what_is_found() {
    let (_app, ada) = app().await;
    create(&ada, &json!({"title": "before"})).await;
    assert_eq!(found(&ada, "BEFORE").await, ["before"]);
    ada.call("PATCH", "/api/tasks/1", &json!({"title": "after"})).await.ok(200);
    assert_eq!(found(&ada, "before").await.len(), 0);
    assert_eq!(found(&ada, "AFTER").await, ["after"]);
    ada.call("PATCH", "/api/tasks/bulk", &json!({"ids": [1], "status": "canceled"})).await.ok(200);
    assert_eq!(found(&ada, "cancel").await, ["after"]);
}

#[tokio::test]
async fn no_character_means_more_than_itself() {
    let (_app, ada) = app().await;
    let odd = [
        "100%",
        "a_b",
        "back\\slash",
        "it's",
        "\"quoted\"",
        "; drop table tasks; --",
        "' or '1'='1",
        "$1 ? :x",
        "🦀",
        "[a-z]*",
        "\u{10ffff}",
        "e\u{301}",
        "tab\there",
    ];
    for title in odd {
        create(&ada, &json!({"title": title})).await;
    }
    create(&ada, &json!({"title": "plain axb"})).await;
    for title in odd {
        assert_eq!(found(&ada, title).await, [title], "{title}");
    }
    for (text, expected) in [
        ("%", vec!["100%"]),
        ("_", vec!["a_b"]),
        ("\\", vec!["back\\slash"]),
        ("\\%", vec![]),
        ("%%", vec![]),
        ("a%b", vec![]),
        ("' OR '1'='1", vec!["' or '1'='1"]),
        ("') OR 1=1 --", vec![]),
        ("*", vec!["[a-z]*"]),
    ] {
        assert_eq!(found(&ada, text).await, expected, "{text}");
    }
    let title = serde_urlencoded::to_string([("title", "' or '1'='1")]).unwrap();
    assert_eq!(titles(&ada, &title).await, ["' or '1'='1"]);
    assert_eq!(found(&ada, "").await.len(), odd.len() + 1);
}
