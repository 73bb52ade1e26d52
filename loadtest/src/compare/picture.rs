//! The ratios as bars: a small SVG by hand, readable in a browser and on a page.

use super::{
    contender::Contender,
    report::{Measure, Report, Spread, figures},
};

const WIDTH: u32 = 480;
const BAR: u32 = 22;
const NAMES: u32 = 150;
/// The longest bar; right of it is room for its figures.
const BARS: f64 = 200.0;

/// A panel for each measure, two in a row.
pub(crate) fn draw(report: &Report) -> String {
    let (mut panels, mut bottoms) = (String::new(), [40_u32; 2]);
    let compared = Measure::ALL
        .into_iter()
        .filter(|measure| !measure.is_footing());
    for (number, measure) in compared.enumerate() {
        let mut bars: Vec<(Contender, Spread)> = Vec::new();
        for contender in &report.racing {
            bars.extend(
                report
                    .spread(measure, *contender)
                    .map(|spread| (*contender, spread)),
            );
        }
        let left = number % 2 == 0;
        let [one, other] = &mut bottoms;
        let (x, bottom) = if left { (0, one) } else { (WIDTH, other) };
        panel(&mut panels, report, measure, &bars, (x, *bottom));
        *bottom += 48 + BAR * u32::try_from(bars.len()).unwrap_or_default();
    }
    let height = bottoms.into_iter().max().unwrap_or_default();
    let width = 2 * WIDTH;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\">One core each, the same checks. Bar: \
         median of {} rounds; line: least to most; ×: to nginx</text>\n{panels}</svg>\n",
        report.rounds.len()
    )
}

fn panel(
    out: &mut String,
    report: &Report,
    measure: Measure,
    bars: &[(Contender, Spread)],
    (x, y): (u32, u32),
) {
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let title = (x + 16, y + 18);
    line(format!(
        "<text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text>",
        title.0,
        title.1,
        measure.title()
    ));
    let most = bars
        .iter()
        .map(|(_, spread)| spread.most)
        .fold(0.0, f64::max);
    let scale = if most > 0.0 { BARS / most } else { 0.0 };
    for ((contender, spread), number) in bars.iter().zip(0_u32..) {
        let top = y + 28 + BAR * number;
        let start = f64::from(x + NAMES);
        let (name, baseline, middle) = (contender.name(), top + 13, top + 8);
        let at = |value: f64| start + value * scale;
        let ratio = match report.ratio(measure, *contender, Contender::Nginx) {
            Some(ratio) if *contender != Contender::Nginx => {
                format!(" (×{})", figures(ratio.median))
            }
            _ => String::new(),
        };
        line(format!(
            "<text x=\"{}\" y=\"{baseline}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{start:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"16\" fill=\"{}\"/>\
             <path d=\"M{:.1} {middle}H{:.1}\" stroke=\"#222\"/>\
             <text x=\"{:.1}\" y=\"{baseline}\">{}{ratio}</text>",
            start - 8.0,
            spread.median * scale,
            colour(*contender),
            at(spread.least),
            at(spread.most),
            at(spread.most) + 6.0,
            figures(spread.median),
        ));
    }
}

/// Okabe and Ito's, which the colour-blind tell apart.
fn colour(contender: Contender) -> &'static str {
    match contender {
        Contender::Nginx => "#999999",
        Contender::NginxAuthRequest => "#cccccc",
        Contender::Haproxy => "#56b4e9",
        Contender::Gateway => "#e69f00",
        Contender::GatewayBasic => "#f0c96b",
    }
}
