//! QR codes as a terminal's camera sees them.

use rqrr::PreparedImage;

/// Pixels of a module.
const SCALE: usize = 6;

/// What the codes of a page say, top to bottom.
///
/// # Panics
/// When one cannot be read, or is drawn with anything but rows of strokes.
#[must_use]
#[track_caller]
pub fn texts(html: &str) -> Vec<String> {
    let codes = html.split("<svg class=\"qr\"").skip(1);
    codes
        .map(|rest| {
            let svg = rest.split("</svg>").next().unwrap();
            let side: usize = between(svg, "viewBox=\"0 0 ", " ").parse().unwrap();
            let mut black = vec![false; side * side];
            for row in between(svg, " d=\"", "\"").split('M').skip(1) {
                let begin = row.find(['h', 'm']).unwrap();
                let (x, y) = row[..begin].split_once(' ').unwrap();
                let mut x: usize = x.parse().unwrap();
                let y: usize = y.strip_suffix(".5").unwrap().parse().unwrap();
                let mut rest = &row[begin..];
                while !rest.is_empty() {
                    let end = rest[1..].find(['h', 'm']).map_or(rest.len(), |end| end + 1);
                    let run = rest[1..end].trim_end_matches(" 0");
                    let length: usize = run.parse().unwrap();
                    if rest.starts_with('h') {
                        black[y * side + x..][..length].fill(true);
                    }
                    x += length;
                    rest = &rest[end..];
                }
            }
            read(side, &black)
        })
        .collect()
}

fn read(side: usize, black: &[bool]) -> String {
    let pixels = side * SCALE;
    let at = |x: usize, y: usize| black[(y / SCALE) * side + x / SCALE];
    let mut image = PreparedImage::prepare_from_bitmap(pixels, pixels, at);
    let codes = image.detect_grids();
    assert_eq!(codes.len(), 1, "one code in a picture");
    codes[0].decode().unwrap().1
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split(end).next().unwrap()
}
