//! A QR code as SVG, black on white whatever the page's colours, with the quiet zone that scanners
//! need.

use fast_qr::{ECL, QRBuilder};

/// Modules of white around it (ISO/IEC 18004).
const QUIET: usize = 4;

/// `None`: the text is too long for a code, longer than any address of ours.
pub(super) fn svg(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    let side = code.size + 2 * QUIET;
    let mut path = String::new();
    for (y, row) in code.data.chunks(code.size).take(code.size).enumerate() {
        let black = row.iter().enumerate().filter(|(_, module)| module.value());
        for (x, _) in black {
            path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET));
        }
    }
    Some(format!(
        "<svg class=\"qr\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\" role=\"img\"><rect width=\"{side}\" height=\"{side}\" \
         fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}
