//! Files of every kind of row, read in pieces of every size.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use super::*;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;
const HEADER: &str = "metric_name,gpu_id,uuid,value,labels_raw\n";

struct Sheet {
    _folder: TempDir,
    path: PathBuf,
}

fn sheet(text: impl AsRef<[u8]>) -> Sheet {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, text).unwrap();
    Sheet { _folder: folder, path }
}

/// A good row that is told from all others by its number.
fn good(number: usize) -> String {
    format!("power,{number},GPU-{number},{number}.5,\"gpu=\"\"{number}\"\"\"\n")
}

/// The numbers of the rows that are read within a round in pieces of `wanted`, and where the bad ones were.
fn round(sheet: &Sheet, from: Place, wanted: usize) -> (Vec<usize>, Vec<u64>, Place) {
    let (mut numbers, mut bad, mut place) = (Vec::new(), Vec::new(), from);
    for _ in 0..100_000 {
        let piece = read(&sheet.path, place, wanted, NOW).unwrap();
        assert!(piece.samples.len() <= wanted);
        for (index, sample) in piece.samples.iter().enumerate() {
            let number: usize = sample.gpu_id.parse().unwrap();
            assert_eq!(sample.value, Some(number as f64 + 0.5));
            assert_eq!(sample.labels_raw, format!("gpu=\"{number}\""));
            assert_eq!(sample.timestamp, NOW + TimeDelta::microseconds(index as i64));
            numbers.push(number);
        }
        bad.extend(piece.bad.named().iter().map(|row| row.line));
        place = piece.place;
        if place.round > from.round {
            return (numbers, bad, place);
        }
    }
    panic!("a file without end");
}

#[test]
fn pieces_of_any_size_give_every_row_once_and_in_order() {
    let text: String = (0..500).map(good).collect();
    for (name, text) in [
        ("plain", format!("{HEADER}{text}")),
        ("without a last line break", format!("{HEADER}{text}").trim_end().to_owned()),
        ("from Windows", format!("\u{feff}{HEADER}{text}").replace('\n', "\r\n")),
        ("with blank lines", format!("\n\n{HEADER}\n{}", text.replace('\n', "\n\n"))),
    ] {
        let sheet = sheet(text);
        for most in [1, 2, 7, 499, 500, 501, 10_000] {
            let (numbers, bad, end) = round(&sheet, Place::default(), most);
            assert_eq!(numbers, (0..500).collect::<Vec<_>>(), "{name}, pieces of {most}");
            assert_eq!((bad, end), (vec![], Place { round: 1, ..Place::default() }), "{name}");
        }
    }
}

#[test]
fn bad_rows_are_named_by_their_lines_and_the_rows_beside_them_are_read() {
    let long = format!("power,1,GPU-1,\"{}\",\n", "9".repeat(200_000));
    let bad_rows: [&[u8]; 9] = [
        b"power,1,GPU-1\n",
        b"power,1,GPU-1,many,\n",
        b"power,1,,1,\n",
        b"power,1,GPU-1,1,x,y,z\n",
        b"power,\"1,GPU-1,1,\n",
        b"po\xffwer,1,GPU-1,1,\n",
        b"power,1,GPU-1,1,\0\n",
        b"\"\"\"\n",
        long.as_bytes(),
    ];
    for ending in ["\n", "\r\n"] {
        let mut text = HEADER.replace('\n', ending).into_bytes();
        let mut expected = Vec::new();
        for (number, bad) in bad_rows.iter().enumerate() {
            expected.push(2 + 2 * number as u64);
            text.extend_from_slice(bad);
            text.extend_from_slice(good(number).replace('\n', ending).as_bytes());
        }
        let sheet = sheet(text);
        for most in [1, 2, 5, 100] {
            let (numbers, bad, _) = round(&sheet, Place::default(), most);
            assert_eq!(numbers, (0..bad_rows.len()).collect::<Vec<_>>(), "pieces of {most}");
            assert_eq!(bad, expected, "pieces of {most}, {ending:?}");
        }
    }
}

/// Any bytes between good rows: nothing panics, nothing is read twice, and the good rows after each piece of rubbish
/// are found, but for the one that it may swallow.
#[test]
fn rubbish_of_any_kind_costs_no_more_than_itself() {
    const LETTERS: &[u8] = b"\"\"\",,\n\n\r\0 a1.\xff\xc3";
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut text = HEADER.as_bytes().to_vec();
        let mut clean = Vec::new();
        for number in 0..40 {
            if rng.random_range(0..4) == 0 {
                let rubbish: Vec<u8> =
                    (0..rng.random_range(1..60)).map(|_| LETTERS[rng.random_range(0..LETTERS.len())]).collect();
                text.extend_from_slice(&rubbish);
                text.push(b'\n');
                // A quotation mark that is open there may be closed in the next good row, and not after it.
            } else {
                clean.push(number);
            }
            text.extend_from_slice(good(number).as_bytes());
        }
        let sheet = sheet(&text);
        let most = rng.random_range(1..50);
        let (numbers, _, _) = round(&sheet, Place::default(), most);
        assert!(numbers.is_sorted_by(|one, other| one < other), "seed {seed}: {numbers:?}");
        let lost: Vec<_> = clean.iter().filter(|number| !numbers.contains(number)).collect();
        assert!(lost.is_empty(), "seed {seed}: {lost:?} are lost");
        assert_eq!(round(&sheet, Place::default(), 1).0, numbers, "seed {seed}: pieces of 1 and of {most}");
    }
}

#[test]
fn a_file_that_grows_is_read_on_and_one_that_is_replaced_is_begun_anew() {
    let mut text = HEADER.to_owned();
    text.extend((0..10).map(good));
    let sheet = sheet(&text);
    let first = read(&sheet.path, Place::default(), 6, NOW).unwrap();
    assert_eq!((first.place.row, first.place.line), (6, 8));
    text.write_str(&good(10)).unwrap();
    fs::write(&sheet.path, &text).unwrap();
    assert_eq!(round(&sheet, first.place, 3).0, [6, 7, 8, 9, 10]);
    let other: String = (20..40).map(good).collect();
    fs::write(&sheet.path, format!("{HEADER}{other}")).unwrap();
    let anew = read(&sheet.path, first.place, 2, NOW).unwrap();
    let numbers: Vec<_> = anew.samples.iter().map(|sample| sample.gpu_id.as_ref()).collect();
    assert!(anew.replaced && numbers == ["20", "21"], "{anew:?}");
    assert_eq!((anew.place.round, anew.place.row), (1, 2));
    fs::write(&sheet.path, HEADER).unwrap();
    let shorter = read(&sheet.path, anew.place, 2, NOW).unwrap();
    assert!(shorter.replaced && shorter.samples.is_empty() && shorter.place == Place { round: 3, ..Place::default() });
}

#[test]
fn what_is_no_file_of_an_exporter_is_said() {
    let said = |path: &Path| format!("{:#}", read(path, Place::default(), 1, NOW).unwrap_err());
    let folder = tempfile::tempdir().unwrap();
    assert!(said(&folder.path().join("none.csv")).contains("No such file"));
    assert!(said(folder.path()).contains("not a file"));
    for (text, reason) in [
        (String::new(), "no column metric_name"),
        ("a,b,c\n1,2,3\n".to_owned(), "no column metric_name"),
        ("x".repeat(300_000), "too long"),
        ("\0\0\0\u{1}\n".to_owned(), "no column metric_name"),
    ] {
        let said = said(&sheet(&text).path);
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn a_line_without_end_is_stepped_over_in_pieces() {
    let sheet = sheet(format!("{HEADER}{}{}", good(0), "x".repeat(MAX_STEP as usize + 1_000_000)));
    let (numbers, bad, _) = round(&sheet, Place::default(), 10);
    assert_eq!((numbers, bad), (vec![0], vec![3, 3]));
}
