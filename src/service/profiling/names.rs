//! Names of functions by their addresses: the program's symbols, and the lines that the compiler noted.
//!
//! Line tables alone name a function without its path, and an async one by nothing but `{async_fn#0}`; the symbols have
//! the whole name. What was put into another function has no symbol, so its path is that of its file.

use std::collections::HashMap;
use std::ffi::c_void;
use std::fs::{self, File};
use std::sync::Arc;

use anyhow::Context;
use object::{Object, ObjectKind, ObjectSymbol, ReadCache, SymbolIndex, SymbolKind};

use super::profile::Frame;

/// The program as it runs.
const PROGRAM: &str = "/proc/self/exe";
/// Where our own sources were when they were compiled.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");

/// A function of the program: where it begins, how long it is, and which symbol it has. Its name is only read when it
/// is asked for: there are a hundred times as many functions as stand on the stacks of a profile.
type Function = (u64, u64, SymbolIndex);

/// The program as it lies on the disk.
type Program<'data> = object::File<'data, &'data ReadCache<File>>;

/// What is known of the program while a profile is read.
pub struct Names<'data> {
    program: Option<Program<'data>>,
    functions: Vec<Function>,
    base: u64,
    known: HashMap<usize, Vec<Arc<Frame>>>,
}

/// Does `work` with the names of this program. It reads large tables, which are let go of at its end: the next profile
/// may be far away.
pub fn with_names<T>(work: impl FnOnce(&mut Names<'_>) -> T) -> T {
    let cache = File::open(PROGRAM).ok().map(ReadCache::new);
    let program = cache.as_ref().and_then(|cache| object::File::parse(cache).ok());
    let (functions, base) = program.as_ref().and_then(|program| functions(program).ok()).unwrap_or_default();
    let done = work(&mut Names { program, functions, base, known: HashMap::new() });
    backtrace::clear_symbol_cache();
    done
}

/// The functions that have a symbol, and what their addresses are counted from.
fn functions(program: &Program<'_>) -> anyhow::Result<(Vec<Function>, u64)> {
    let is_function = |symbol: &object::Symbol<'_, '_, _>| symbol.kind() == SymbolKind::Text && symbol.size() > 0;
    let symbols = program.symbols().filter(is_function);
    let mut functions: Vec<Function> =
        symbols.map(|symbol| (symbol.address(), symbol.size(), symbol.index())).collect();
    functions.sort_unstable_by_key(|(start, size, _)| (*start, *size));
    let base = if program.kind() == ObjectKind::Executable { 0 } else { base()? };
    Ok((functions, base))
}

/// Where the program lies in memory: the first of its pieces is its beginning.
fn base() -> anyhow::Result<u64> {
    let path = fs::read_link(PROGRAM).context("finding the program")?;
    let path = path.display().to_string();
    let maps = fs::read_to_string("/proc/self/maps").context("finding the program")?;
    let first = maps.lines().find(|line| line.ends_with(&path)).context("finding the program")?;
    let start = first.split('-').next().unwrap_or_default();
    u64::from_str_radix(start, 16).context("finding the program")
}

impl Names<'_> {
    /// The functions that a call comes back to at an address, as it stands on a stack, the innermost of those that were
    /// put into one first.
    pub fn frames(&mut self, address: usize) -> &[Arc<Frame>] {
        let symbol = if self.known.contains_key(&address) { None } else { self.symbol(address) };
        self.known.entry(address).or_insert_with(|| {
            let mut frames = Vec::new();
            // That the call is before the address, the library knows.
            backtrace::resolve(address as *mut c_void, |symbol| {
                if let Some(name) = symbol.name() {
                    let file = symbol.filename().map(|file| file.display().to_string()).unwrap_or_default();
                    let function = with_path(format!("{name:#}"), &file);
                    frames.push(Frame { function, file, line: symbol.lineno().unwrap_or_default() });
                }
            });
            match (frames.last_mut(), symbol) {
                (Some(outermost), Some(name)) => outermost.function = name,
                (None, Some(function)) => frames.push(Frame { function, file: String::new(), line: 0 }),
                (_, None) => {}
            }
            frames.into_iter().map(Arc::new).collect()
        })
    }

    /// The whole name of the function that a call comes back to.
    fn symbol(&self, address: usize) -> Option<String> {
        let place = (address as u64).checked_sub(self.base)?.checked_sub(1)?;
        let after = self.functions.partition_point(|(start, ..)| *start <= place);
        let (start, size, index) = self.functions.get(after.checked_sub(1)?)?;
        if place >= start + size {
            return None;
        }
        let symbol = self.program.as_ref()?.symbol_by_index(*index).ok()?;
        Some(format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?)))
    }
}

/// A name that has no path, with that of its file.
fn with_path(name: String, file: &str) -> String {
    let head = name.split('<').next().unwrap_or_default();
    match module(file) {
        Some(module) if !head.is_empty() && !head.contains("::") => format!("{module}::{name}"),
        _ => name,
    }
}

/// The module that a source file is, by the folders of crates: `…/NAME-VERSION/src/a/b.rs` is `NAME::a::b`.
fn module(file: &str) -> Option<String> {
    let (name, path) = match file.strip_prefix(SOURCES) {
        Some(path) => (env!("CARGO_PKG_NAME"), path),
        None => {
            let (folder, path) = file.rsplit_once("/src/")?;
            let folder = folder.rsplit('/').next()?;
            let is_version = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
            (folder.rsplit_once('-').filter(|(_, last)| is_version(last)).map_or(folder, |(name, _)| name), path)
        }
    };
    let path = path.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path).replace('/', "::");
    let name = name.replace('-', "_");
    Some(if path == "lib" { name } else { format!("{name}::{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_its_whole_name_and_its_line() {
        // One that is not put into another one, which an address in a table makes sure of.
        let address = crate::config::env_example as fn() -> String as usize;
        let named = with_names(|names| names.frames(address + 1).to_vec());
        let frame = named.last().unwrap();
        assert_eq!(frame.function, "runyard::config::document::env_example");
        assert!(frame.file.ends_with("src/config/document.rs") && frame.line > 0, "{frame:?}");
        assert!(with_names(|names| names.frames(1).is_empty()));
    }

    #[test]
    fn a_name_without_a_path_has_that_of_its_file() {
        let file = |path: &str| format!("{SOURCES}{path}");
        assert_eq!(with_path("is_stop".into(), &file("service/x/skip.rs")), "runyard::service::x::skip::is_stop");
        assert_eq!(with_path("{closure#0}<a::B>".into(), &file("config/mod.rs")), "runyard::config::{closure#0}<a::B>");
        for name in ["runyard::config::x", "<a::B as c::D>::e"] {
            assert_eq!(with_path(name.into(), &file("config/mod.rs")), name);
        }
        assert_eq!(with_path("fold".into(), "/elsewhere/fold.rs"), "fold");
        for (path, module) in [
            ("/x/registry/src/index-1/h2-0.4.20/src/proto/mod.rs", "h2::proto"),
            ("/x/registry/src/index-1/tokio-util-0.7.18/src/lib.rs", "tokio_util"),
            ("/rustc/59807616/library/core/src/iter/fold.rs", "core::iter::fold"),
        ] {
            assert_eq!(with_path("{closure#0}".into(), path), format!("{module}::{{closure#0}}"));
        }
    }
}
