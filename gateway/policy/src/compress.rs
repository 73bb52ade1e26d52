//! «Сжимать справочники и таблицы»: which answers, and for whom.
//!
//! Only what terminals load in bulk and seldom: goods, tables, reference lists. Documents and
//! users are not among them. A client gets gzip that names it in `Accept-Encoding`; the vendor
//! warns that unpacking is slow on most terminals, so silence means no. What becomes of the
//! headers is the forwarder's.

use crate::route::{Judged, Place};

/// Entity sets of goods, tables and reference lists.
const SETS: [&str; 10] = [
    "Products",
    "ProductSchema",
    "Tables",
    "TablesInfo",
    "Warehouses",
    "Cells",
    "CustomSettings",
    "ExtendedFields",
    "Operations",
    "DocTypes",
];

/// Whether a raw path (without query) leads into one of the sets, below any base.
#[must_use]
pub fn compressible(path: &str) -> bool {
    let Place::Api(rest) = Place::of(path) else {
        return false;
    };
    let Some(judged) = Judged::of(rest) else {
        return false;
    };
    let mut segments = judged.segments();
    let first = segments.next().unwrap_or_default();
    let name = first.split('(').next().unwrap_or_default();
    SETS.iter().any(|set| set.eq_ignore_ascii_case(name))
}

/// Whether the values of `Accept-Encoding` ask for gzip, and not rather for no coding at all.
pub fn accepts_gzip<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for coding in values.flat_map(|value| value.split(|&byte| byte == b',')) {
        let mut parts = coding.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(Some(1000));
        // A weight that cannot be read asks for nothing.
        let Some(weight) = weight else { continue };
        let asked = match name.to_ascii_lowercase().as_slice() {
            b"gzip" | b"x-gzip" => &mut gzip,
            b"*" => &mut any,
            b"identity" => &mut identity,
            _ => continue,
        };
        *asked = (*asked).max(Some(weight));
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// `q=0.5` as thousandths; the inner `None`: it is no weight. The outer: another parameter.
fn weight(parameter: &[u8]) -> Option<Option<u16>> {
    let (name, value) = parameter.split_at_checked(2)?;
    if !name.eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let (whole, fraction) = match value {
        [whole] => (whole, [].as_slice()),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return Some(None),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Some(None);
    }
    let digits = fraction.iter().chain(b"000").take(3);
    let fraction = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Some(match (whole, fraction) {
        (b'0', _) => Some(fraction),
        (b'1', 0) => Some(1000),
        _ => None,
    })
}

/// Whether a body of this `Content-Type` shrinks: text, JSON, XML.
#[must_use]
pub fn compressible_type(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&byte| byte == b';').next();
    let essence = essence
        .unwrap_or_default()
        .trim_ascii()
        .to_ascii_lowercase();
    let ends = |suffix: &[u8]| essence.ends_with(suffix);
    essence.starts_with(b"text/")
        || [&b"/json"[..], b"+json", b"/xml", b"+xml"]
            .into_iter()
            .any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights;

    #[test]
    fn goods_tables_and_reference_lists_are_compressed_below_every_base() {
        for path in [
            "/api/v1/Products",
            "/MobileSMARTS/api/v1/Products('1')/packings",
            "/mobilesmarts/API/V1/products",
            "/api/v1/Tables/%D0%A6%D0%B5%D0%BD%D1%8B",
            "/api/v1/Products/",
            "/api/v1/Warehouses('a%2Fb')/cells",
            "/api/v1/%50roducts",
        ] {
            assert!(compressible(path), "{path}");
        }
        for path in [
            "/Products",
            "/api/v1",
            "/api/v1/",
            "/api/v1/Docs",
            "/api/v1/Docs/Products",
            "/api/v1/Users",
            "/api/v1/$metadata",
            "/api/v1/ProductsAndMore",
            "/api/v1/x/../Products",
            "/api/v1/session",
            "/api/v2/Products",
            "/",
            "",
        ] {
            assert!(!compressible(path), "{path}");
        }
    }

    #[test]
    fn every_set_is_one_of_the_rights_table() {
        for set in SETS {
            assert!(rights::entity_sets().any(|known| known == set), "{set}");
        }
    }

    #[test]
    fn gzip_goes_to_who_names_it_and_prefers_nothing_to_it() {
        let accepts = |values: &[&str]| accepts_gzip(values.iter().map(|value| value.as_bytes()));
        for values in [
            &["gzip"][..],
            &["GZIP"],
            &["gzip, deflate, br, zstd"],
            &["deflate", "x-gzip ; q=0.001"],
            &["br;q=1.0, gzip;q=0.8, *;q=0.1"],
            &["*"],
            &["identity;q=0.5, gzip;q=0.5"],
            &["gzip;level=9;q=1.000"],
        ] {
            assert!(accepts(values), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["identity"],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip;q=0.000"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["identity, gzip;q=0.5"],
            &["gzip;q=2"],
            &["gzip;q=1.001"],
            &["gzip;q=0.0001"],
            &["gzip;q=-1"],
            &["gzip;q="],
            &["gzipped"],
        ] {
            assert!(!accepts(values), "{values:?}");
        }
    }

    #[test]
    fn text_json_and_xml_shrink_and_pictures_do_not() {
        for text in [
            "application/json",
            "application/json; odata.metadata=minimal",
            "Application/XML",
            "text/plain;charset=utf-8",
            "application/atom+xml",
        ] {
            assert!(compressible_type(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "image/png",
            "application/octet-stream",
            "application/zip",
            "json",
        ] {
            assert!(!compressible_type(text.as_bytes()), "{text}");
        }
    }
}
