//! A QR code as SVG, black on white whatever the page's colours, with the quiet zone that scanners
//! need.

use fast_qr::{ECL, QRBuilder};

/// Modules of white around it (ISO/IEC 18004).
const QUIET: usize = 4;

/// A stroke for each run of black modules. `None`: the text is too long for a code, longer than
/// any address of ours.
pub(super) fn svg(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    let side = code.size + 2 * QUIET;
    let mut path = String::new();
    for (y, row) in code.data.chunks(code.size).take(code.size).enumerate() {
        path.push_str(&format!("M{QUIET} {}.5", y + QUIET));
        for run in row.chunk_by(|one, next| one.value() == next.value()) {
            let length = run.len();
            path.push_str(&match run.first().is_some_and(|module| module.value()) {
                true => format!("h{length}"),
                false => format!("m{length} 0"),
            });
        }
    }
    Some(format!(
        "<svg class=\"qr\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\" role=\"img\"><rect width=\"{side}\" height=\"{side}\" \
         fill=\"#fff\"/><path d=\"{path}\" stroke=\"#000\"/></svg>"
    ))
}
