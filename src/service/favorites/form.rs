//! Reads a favorite from JSON and checks all of it: what comes out can be stored, and is what will be shown.

use chrono::{DateTime, Datelike, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::FavoriteType;
use crate::error::{Error, FieldError, Result};
use crate::service::json::{depth, parse};
use crate::service::time;

/// Most bytes of a name or an axis.
const MAX_NAME: usize = 255;
/// Most bytes of a description.
const MAX_DESCRIPTION: usize = 16 * 1024;
/// Most bytes of an insight's content.
const MAX_CONTENT: usize = 64 * 1024;
/// Most bytes of a chart's data.
const MAX_DATA: usize = 1024 * 1024;
/// Most bytes of a text in the rules of an audience.
const MAX_WORD: usize = 64;
/// Most levels of a chart's data.
const MAX_DEPTH: usize = 256;
const MAX_AGE: u32 = 150;
const MAX_HOURS: f64 = 24.0;
const MAX_PURCHASES: u32 = 1_000_000;

/// A favorite that can be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What it is.
    pub kind: FavoriteType,
    /// What people call it.
    pub name: String,
    /// What they say of it.
    pub description: String,
    /// Its type's own fields as a JSON object.
    pub payload: String,
}

/// What an imported favorite says beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Its id.
    pub id: Option<Uuid>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed.
    pub updated_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "type")]
    kind: String,
}

/// What every form has beside its own fields.
struct Common {
    name: String,
    description: String,
    origin: Origin,
}

/// A form of one type: what all have, and its own fields. A flattened struct would take unknown fields.
macro_rules! form {
    ($form:ident { $($field:ident: $type:ty),* }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $form {
            #[serde(rename = "type")]
            _kind: String,
            name: String,
            description: Option<String>,
            id: Option<Uuid>,
            created_at: Option<DateTime<Utc>>,
            updated_at: Option<DateTime<Utc>>,
            $($field: $type,)*
        }

        impl $form {
            fn common(&mut self) -> Common {
                Common {
                    name: std::mem::take(&mut self.name),
                    description: self.description.take().unwrap_or_default(),
                    origin: Origin { id: self.id, created_at: self.created_at, updated_at: self.updated_at },
                }
            }
        }
    };
}

form!(ChartForm { x_axis: Option<String>, y_axis: Option<String>, data: Option<Box<RawValue>> });
form!(InsightForm { content: String });
form!(AudienceForm { rules: Box<RawValue> });

#[derive(Serialize)]
struct Chart {
    x_axis: Option<String>,
    y_axis: Option<String>,
    data: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Insight {
    content: String,
}

#[derive(Serialize)]
struct Audience {
    rules: Rules,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    gender: Option<String>,
    birth_country: Option<String>,
    age_min: Option<u32>,
    age_max: Option<u32>,
    #[serde(serialize_with = "hours")]
    social_hours_min: Option<f64>,
    purchases_last_month_min: Option<u32>,
}

/// Whole hours have no point, so that what is written stays the same when it is read and written again.
fn hours<S: Serializer>(hours: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match hours {
        Some(hours) if hours.fract() == 0.0 => serializer.serialize_u64(*hours as u64),
        other => other.serialize(serializer),
    }
}

/// The favorite that stands in `bytes`, which are called `what` in messages, and what it says of its origin.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Invalid`] with the field, and [`Error::TooLarge`] for a chart's data.
pub fn read(what: &str, bytes: &[u8]) -> Result<(Draft, Origin)> {
    if !is_object(bytes) {
        let _json: IgnoredAny = parse(what, bytes)?;
        return Err(Error::invalid("", "must be an object"));
    }
    let Tag { kind } = parse(what, bytes)?;
    let Some(kind) = FavoriteType::named(&kind) else {
        return Err(Error::invalid("type", "must be chart, insight or audience"));
    };
    let mut problems = Problems::default();
    let (Common { name, description, origin }, payload) = match kind {
        FavoriteType::Chart => {
            let mut form: ChartForm = parse(what, bytes)?;
            let common = form.common();
            (common, text(&problems.chart(form)?)?)
        }
        FavoriteType::Insight => {
            let mut form: InsightForm = parse(what, bytes)?;
            problems.required("content", &form.content, MAX_CONTENT);
            (form.common(), text(&Insight { content: form.content })?)
        }
        FavoriteType::Audience => {
            let mut form: AudienceForm = parse(what, bytes)?;
            let rules = rules(&form.rules)?;
            problems.rules(&rules);
            (form.common(), text(&Audience { rules })?)
        }
    };
    problems.required("name", &name, MAX_NAME);
    problems.text("description", &description, MAX_DESCRIPTION);
    for (field, moment) in [("created_at", origin.created_at), ("updated_at", origin.updated_at)] {
        if moment.is_some_and(|moment| moment < DateTime::UNIX_EPOCH) {
            problems.add(field, "must not be before 1970");
        }
        if moment.is_some_and(|moment| moment.year() > 9999) {
            problems.add(field, "must not be after the year 9999");
        }
    }
    problems.none()?;
    let origin = Origin {
        created_at: origin.created_at.map(time::to_micros),
        updated_at: origin.updated_at.map(time::to_micros),
        ..origin
    };
    Ok((Draft { kind, name, description, payload }, origin))
}

/// What is given to [`read`] where ids and times are the server's own.
///
/// # Errors
/// As [`read`]; [`Error::Invalid`] for an id or a time.
pub fn read_new(bytes: &[u8]) -> Result<Draft> {
    let (draft, origin) = read("the body", bytes)?;
    let given = [
        ("id", origin.id.is_some()),
        ("created_at", origin.created_at.is_some()),
        ("updated_at", origin.updated_at.is_some()),
    ];
    let mut problems = Problems::default();
    for (field, _) in given.into_iter().filter(|(_, given)| *given) {
        problems.add(field, format!("unknown field `{field}`; only an import takes it"));
    }
    problems.none()?;
    Ok(draft)
}

/// A struct would be read from an array, too.
fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

fn rules(json: &RawValue) -> Result<Rules> {
    if !is_object(json.get().as_bytes()) {
        return Err(Error::invalid("rules", "must be an object"));
    }
    parse("rules", json.get().as_bytes()).map_err(|error| match error {
        Error::Invalid(fields) => {
            let within = |FieldError { field, message }| FieldError::new(format!("rules.{field}"), message);
            Error::Invalid(fields.into_iter().map(within).collect())
        }
        other => other,
    })
}

fn text(fields: &impl Serialize) -> Result<String> {
    serde_json::to_string(fields).map_err(|error| Error::Internal(error.into()))
}

/// Everything that is wrong.
#[derive(Default)]
struct Problems(Vec<FieldError>);

impl Problems {
    fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError::new(field, message));
    }

    fn text(&mut self, field: &str, text: &str, max: usize) {
        if text.len() > max {
            self.add(field, format!("must have at most {max} bytes"));
        }
        if text.contains('\0') {
            self.add(field, "must not hold U+0000");
        }
    }

    fn required(&mut self, field: &str, text: &str, max: usize) {
        if text.is_empty() {
            self.add(field, format!("must have 1 to {max} bytes"));
        }
        self.text(field, text, max);
    }

    fn optional(&mut self, field: &str, text: Option<&str>, max: usize) {
        if let Some(text) = text {
            self.required(field, text, max);
        }
    }

    fn chart(&mut self, ChartForm { x_axis, y_axis, data, .. }: ChartForm) -> Result<Chart> {
        self.optional("x_axis", x_axis.as_deref(), MAX_NAME);
        self.optional("y_axis", y_axis.as_deref(), MAX_NAME);
        if x_axis.is_none() && y_axis.is_none() {
            self.add("x_axis", "x_axis or y_axis must be there");
        }
        let json = data.as_ref().map_or("", |data| data.get());
        if json.len() > MAX_DATA {
            return Err(Error::too_large("data", format!("has at most {MAX_DATA} bytes")));
        }
        if depth(json) > MAX_DEPTH {
            self.add("data", format!("has at most {MAX_DEPTH} levels"));
        }
        Ok(Chart { x_axis, y_axis, data })
    }

    fn rules(&mut self, rules: &Rules) {
        let Rules { gender, birth_country, age_min, age_max, social_hours_min, purchases_last_month_min } = rules;
        self.optional("rules.gender", gender.as_deref(), MAX_WORD);
        self.optional("rules.birth_country", birth_country.as_deref(), MAX_WORD);
        for (field, age) in [("rules.age_min", age_min), ("rules.age_max", age_max)] {
            if age.is_some_and(|age| age > MAX_AGE) {
                self.add(field, format!("must be 0 to {MAX_AGE}"));
            }
        }
        if age_min.zip(*age_max).is_some_and(|(min, max)| min > max) {
            self.add("rules.age_min", "must not be above age_max");
        }
        let precise = |hours: f64| (hours * 100.0).round() / 100.0 == hours;
        if social_hours_min.is_some_and(|hours| !(0.0..=MAX_HOURS).contains(&hours) || !precise(hours)) {
            self.add("rules.social_hours_min", "must be 0 to 24, with two decimals at most");
        }
        if purchases_last_month_min.is_some_and(|purchases| purchases > MAX_PURCHASES) {
            self.add("rules.purchases_last_month_min", format!("must be 0 to {MAX_PURCHASES}"));
        }
        let numbers = [age_min, age_max, purchases_last_month_min].iter().any(|number| number.is_some());
        if gender.is_none() && birth_country.is_none() && social_hours_min.is_none() && !numbers {
            self.add("rules", "must have one rule at least");
        }
    }

    fn none(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}
