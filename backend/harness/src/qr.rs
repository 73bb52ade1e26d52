//! QR codes as a terminal's camera sees them.

use rqrr::PreparedImage;

/// Pixels of a module.
const SCALE: usize = 6;

/// What the codes of a page say, top to bottom.
///
/// # Panics
/// When one cannot be read, or is drawn with anything but unit squares.
#[must_use]
#[track_caller]
pub fn texts(html: &str) -> Vec<String> {
    let codes = html.split("<svg class=\"qr\"").skip(1);
    codes
        .map(|rest| {
            let svg = rest.split("</svg>").next().unwrap();
            let side: usize = between(svg, "viewBox=\"0 0 ", " ").parse().unwrap();
            let squares: Vec<(usize, usize)> = between(svg, " d=\"", "\"")
                .split_terminator('z')
                .map(|square| {
                    let place = square.strip_prefix('M').unwrap();
                    let place = place.strip_suffix("h1v1h-1").unwrap();
                    let (x, y) = place.split_once(' ').unwrap();
                    (x.parse().unwrap(), y.parse().unwrap())
                })
                .collect();
            read(side, &squares)
        })
        .collect()
}

fn read(side: usize, squares: &[(usize, usize)]) -> String {
    let mut black = vec![false; side * side];
    for (x, y) in squares {
        black[y * side + x] = true;
    }
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
