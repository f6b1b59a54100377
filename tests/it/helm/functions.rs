//! The functions that Helm adds to Go's templates, as far as the chart uses them; another one is an error.

use anyhow::anyhow;
use gtmpl_ng::{Func, FuncError};
use gtmpl_value_ng::Value;
use sha2::{Digest, Sha256};

use super::render::evaluate;

/// Where the root keeps what can be included, by name.
pub const DEFINED: &str = "Defined";

/// All of them by name.
pub const ALL: [(&str, Func); 18] = [
    ("add", add),
    ("contains", contains),
    ("default", default),
    ("dict", dict),
    ("fail", fail),
    ("hasPrefix", has_prefix),
    ("include", include),
    ("int", int),
    ("mul", mul),
    ("nindent", nindent),
    ("quote", quote),
    ("replace", replace),
    ("sha256sum", sha256sum),
    ("splitList", split_list),
    ("toYaml", to_yaml),
    ("trim", trim),
    ("trimSuffix", trim_suffix),
    ("trunc", trunc),
];

type Answer = Result<Value, FuncError>;

fn wrong<T>(said: impl std::fmt::Display) -> Result<T, FuncError> {
    Err(anyhow!("{said}").into())
}

fn some<const N: usize>(arguments: &[Value]) -> Result<&[Value; N], FuncError> {
    arguments.try_into().or_else(|_| wrong(format!("{N} arguments are needed, and there are {arguments:?}")))
}

fn text(value: &Value) -> Result<&str, FuncError> {
    match value {
        Value::String(text) => Ok(text),
        other => wrong(format!("a text is needed, not {other:?}")),
    }
}

fn number(value: &Value) -> Result<i64, FuncError> {
    match value {
        Value::Number(number) => number.as_i64().map_or_else(|| wrong(format!("{number} is no integer")), Ok),
        other => wrong(format!("a number is needed, not {other:?}")),
    }
}

fn member<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Map(map) | Value::Object(map) => map.get(key),
        _ => None,
    }
}

/// Renders what is defined under a name; its data is the root, or has the root as a member.
fn include(arguments: &[Value]) -> Answer {
    let [name, data] = some(arguments)?;
    let name = text(name)?;
    let root = member(data, "root").unwrap_or(data);
    let Some(defined) = member(root, DEFINED) else { return wrong(format!("{name} is included without the root")) };
    let Some(piece) = member(defined, name) else { return wrong(format!("nothing is defined as {name}")) };
    let call = format!("{{{{ template \"{name}\" . }}}}");
    evaluate("include", &call, text(piece)?, data.clone()).map(Value::from).or_else(wrong)
}

fn fail(arguments: &[Value]) -> Answer {
    let [message] = some(arguments)?;
    wrong(text(message)?)
}

fn default(arguments: &[Value]) -> Answer {
    let [fallback, given] = some(arguments)?;
    let is_empty = match given {
        Value::NoValue | Value::Nil | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Map(map) | Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) | Value::Function(_) => false,
    };
    Ok(if is_empty { fallback.clone() } else { given.clone() })
}

fn dict(arguments: &[Value]) -> Answer {
    let pairs = arguments.chunks(2).map(|pair| match pair {
        [key, value] => Ok((text(key)?.to_owned(), value.clone())),
        _ => wrong("a key is without a value"),
    });
    Ok(Value::Map(pairs.collect::<Result<_, _>>()?))
}

fn split_list(arguments: &[Value]) -> Answer {
    let [separator, whole] = some(arguments)?;
    Ok(Value::Array(text(whole)?.split(text(separator)?).map(Value::from).collect()))
}

fn quote(arguments: &[Value]) -> Answer {
    let [value] = some(arguments)?;
    match value {
        Value::Nil | Value::NoValue => wrong("there is nothing to quote"),
        value => Ok(serde_json::to_string(&value.to_string()).map_err(anyhow::Error::from)?.into()),
    }
}

fn to_yaml(arguments: &[Value]) -> Answer {
    let [value] = some(arguments)?;
    let value = serde_json::to_value(value).map_err(anyhow::Error::from)?;
    Ok(serde_saphyr::to_string(&value).map_err(anyhow::Error::from)?.trim_end().into())
}

fn nindent(arguments: &[Value]) -> Answer {
    let [width, lines] = some(arguments)?;
    let margin = " ".repeat(usize::try_from(number(width)?).map_err(anyhow::Error::from)?);
    Ok(text(lines)?.split('\n').map(|line| format!("\n{margin}{line}")).collect::<String>().into())
}

fn sha256sum(arguments: &[Value]) -> Answer {
    let [value] = some(arguments)?;
    let digest = Sha256::digest(text(value)?.as_bytes());
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

fn contains(arguments: &[Value]) -> Answer {
    let [part, whole] = some(arguments)?;
    Ok(text(whole)?.contains(text(part)?).into())
}

fn has_prefix(arguments: &[Value]) -> Answer {
    let [prefix, whole] = some(arguments)?;
    Ok(text(whole)?.starts_with(text(prefix)?).into())
}

fn replace(arguments: &[Value]) -> Answer {
    let [old, new, whole] = some(arguments)?;
    Ok(text(whole)?.replace(text(old)?, text(new)?).into())
}

fn trim(arguments: &[Value]) -> Answer {
    let [whole] = some(arguments)?;
    Ok(text(whole)?.trim().into())
}

fn trim_suffix(arguments: &[Value]) -> Answer {
    let [suffix, whole] = some(arguments)?;
    let whole = text(whole)?;
    Ok(whole.strip_suffix(text(suffix)?).unwrap_or(whole).into())
}

fn trunc(arguments: &[Value]) -> Answer {
    let [length, whole] = some(arguments)?;
    let length = usize::try_from(number(length)?).map_err(anyhow::Error::from)?;
    Ok(text(whole)?.chars().take(length).collect::<String>().into())
}

fn int(arguments: &[Value]) -> Answer {
    let [value] = some(arguments)?;
    number(value).map(Value::from)
}

fn add(arguments: &[Value]) -> Answer {
    Ok(arguments.iter().map(number).sum::<Result<i64, _>>()?.into())
}

fn mul(arguments: &[Value]) -> Answer {
    Ok(arguments.iter().map(number).product::<Result<i64, _>>()?.into())
}
