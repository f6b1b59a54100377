//! What favorites speak of on the wire, as the document shows it.
//!
//! They are read by `form` and written by `render`, because a chart's data goes through as bytes; these types are
//! their shape, and a union of three that nothing else can join.

use chrono::{DateTime, Utc};
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, Union};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// What a favorite can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum FavoriteType {
    /// A chart with its data.
    Chart,
    /// A text.
    Insight,
    /// A set of people, by what holds for them.
    Audience,
}

impl FavoriteType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Chart, Self::Insight, Self::Audience];

    /// As it stands on the wire and in a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chart => "chart",
            Self::Insight => "insight",
            Self::Audience => "audience",
        }
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The byte that it is in the order of a list.
    pub(super) fn byte(self) -> u8 {
        self.as_str().as_bytes()[0]
    }
}

/// A new favorite; `type` says which of the three it is.
#[derive(Debug, Clone, Union)]
#[oai(discriminator_name = "type", one_of = true)]
pub enum FavoriteForm {
    /// A chart.
    #[oai(mapping = "chart")]
    Chart(NewChart),
    /// An insight.
    #[oai(mapping = "insight")]
    Insight(NewInsight),
    /// An audience.
    #[oai(mapping = "audience")]
    Audience(NewAudience),
}

/// A chart to be kept; `type` is `chart`.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub struct NewChart {
    /// 1 to 255 bytes.
    pub name: String,
    /// Up to 16 KiB; empty when missing.
    #[oai(nullable)]
    pub description: Option<String>,
    /// What runs along the bottom, 1 to 255 bytes; it or `y_axis` must be there.
    #[oai(nullable)]
    pub x_axis: Option<String>,
    /// What runs up the side, 1 to 255 bytes.
    #[oai(nullable)]
    pub y_axis: Option<String>,
    /// Any JSON of up to 1 MiB; it comes back as the bytes that were sent.
    #[oai(nullable)]
    pub data: Option<Value>,
}

impl Example for NewChart {
    fn example() -> Self {
        Self {
            name: "Daily active users".to_owned(),
            description: Some("All regions".to_owned()),
            x_axis: Some("day".to_owned()),
            y_axis: Some("users".to_owned()),
            data: Some(json!([["2026-11-20", 1204], ["2026-11-21", 1311]])),
        }
    }
}

/// A text to be kept; `type` is `insight`.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub struct NewInsight {
    /// 1 to 255 bytes.
    pub name: String,
    /// Up to 16 KiB; empty when missing.
    #[oai(nullable)]
    pub description: Option<String>,
    /// 1 byte to 64 KiB.
    pub content: String,
}

impl Example for NewInsight {
    fn example() -> Self {
        Self {
            name: "Evenings".to_owned(),
            description: None,
            content: "40 % of millennials spend more than 3 hours a day on social media".to_owned(),
        }
    }
}

/// A set of people to be kept; `type` is `audience`.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub struct NewAudience {
    /// 1 to 255 bytes.
    pub name: String,
    /// Up to 16 KiB; empty when missing.
    #[oai(nullable)]
    pub description: Option<String>,
    /// What holds for them.
    pub rules: AudienceRules,
}

impl Example for NewAudience {
    fn example() -> Self {
        Self { name: "Young shoppers".to_owned(), description: None, rules: AudienceRules::example() }
    }
}

/// What holds for the people of an audience; one at least.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub struct AudienceRules {
    /// 1 to 64 bytes.
    #[oai(nullable)]
    pub gender: Option<String>,
    /// 1 to 64 bytes.
    #[oai(nullable)]
    pub birth_country: Option<String>,
    /// Years, 0 to 150.
    #[oai(nullable)]
    pub age_min: Option<u32>,
    /// Years, 0 to 150; not below `age_min`.
    #[oai(nullable)]
    pub age_max: Option<u32>,
    /// Hours a day on social media, 0 to 24, with two decimals at most.
    #[oai(nullable)]
    pub social_hours_min: Option<f64>,
    /// 0 to 1,000,000.
    #[oai(nullable)]
    pub purchases_last_month_min: Option<u32>,
}

impl Example for AudienceRules {
    fn example() -> Self {
        Self {
            gender: Some("female".to_owned()),
            birth_country: Some("GR".to_owned()),
            age_min: Some(24),
            age_max: Some(35),
            social_hours_min: Some(3.5),
            purchases_last_month_min: None,
        }
    }
}

/// What a favorite becomes: a JSON merge patch (RFC 7396) of everything but its id, type and times.
///
/// What is missing stays, null takes away, and the result must be a whole favorite of its type.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub struct FavoritePatchRequest {
    /// If it is given, what the favorite is already.
    #[oai(rename = "type")]
    pub kind: Option<FavoriteType>,
    /// 1 to 255 bytes.
    #[oai(nullable)]
    pub name: Option<String>,
    /// Up to 16 KiB.
    #[oai(nullable)]
    pub description: Option<String>,
    /// Of a chart.
    #[oai(nullable)]
    pub x_axis: Option<String>,
    /// Of a chart.
    #[oai(nullable)]
    pub y_axis: Option<String>,
    /// Of a chart; members of an object are merged, anything else takes its place.
    #[oai(nullable)]
    pub data: Option<Value>,
    /// Of an insight.
    #[oai(nullable)]
    pub content: Option<String>,
    /// Of an audience; what is missing in it stays.
    #[oai(nullable)]
    pub rules: Option<AudienceRules>,
}

impl Example for FavoritePatchRequest {
    fn example() -> Self {
        let description = Some("All regions, without robots".to_owned());
        let (kind, name, x_axis, y_axis, data, content, rules) = Default::default();
        Self { kind, name, description, x_axis, y_axis, data, content, rules }
    }
}

/// A favorite; `type` says which of the three it is.
#[derive(Debug, Clone, Union)]
#[oai(discriminator_name = "type", one_of = true)]
pub enum Favorite {
    /// A chart.
    #[oai(mapping = "chart")]
    Chart(Chart),
    /// An insight.
    #[oai(mapping = "insight")]
    Insight(Insight),
    /// An audience.
    #[oai(mapping = "audience")]
    Audience(Audience),
}

/// A chart; `type` is `chart`.
#[derive(Debug, Clone, Object)]
pub struct Chart {
    /// Its id.
    pub id: Uuid,
    /// What you call it.
    pub name: String,
    /// What you say of it.
    pub description: String,
    /// What runs along the bottom.
    #[oai(nullable)]
    pub x_axis: Option<String>,
    /// What runs up the side.
    #[oai(nullable)]
    pub y_axis: Option<String>,
    /// As it was sent, byte for byte.
    pub data: Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A text; `type` is `insight`.
#[derive(Debug, Clone, Object)]
pub struct Insight {
    /// Its id.
    pub id: Uuid,
    /// What you call it.
    pub name: String,
    /// What you say of it.
    pub description: String,
    /// The text.
    pub content: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A set of people; `type` is `audience`.
#[derive(Debug, Clone, Object)]
pub struct Audience {
    /// Its id.
    pub id: Uuid,
    /// What you call it.
    pub name: String,
    /// What you say of it.
    pub description: String,
    /// What holds for them.
    pub rules: AudienceRules,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A page of favorites.
#[derive(Debug, Clone, Object)]
pub struct FavoritePage {
    /// Newest first.
    pub items: Vec<Favorite>,
    /// For the next page; null on the last one.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub struct ImportedFavorites {
    /// Favorites that were not there before.
    pub created: u64,
    /// Favorites that were there already, equal in everything.
    pub unchanged: u64,
}

/// What is asked of a list.
#[derive(Debug, Clone, Default)]
pub struct FavoriteQuery {
    /// Of this type.
    pub kind: Option<FavoriteType>,
    /// How many at most; 10 when missing.
    pub limit: Option<u64>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}
