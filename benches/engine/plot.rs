//! Line charts of what was measured, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

const COLOURS: [RGBColor; 3] = [
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0x2c, 0xa0, 0x2c),
];

/// Points by the name of what was measured.
pub(crate) type Series<'a> = (&'a str, Vec<(f64, f64)>);

/// Draws each of `series` as a line from zero on.
pub(crate) fn draw(
    file: &Path,
    title: &str,
    [across, up]: [&str; 2],
    series: &[Series<'_>],
) -> Result<(), Box<dyn Error>> {
    let points = || series.iter().flat_map(|(_, points)| points);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max) * 1.05;
    let root = SVGBackend::new(file, (560, 320)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        // Above the lines is room for their names.
        .build_cartesian_2d(0.0..most(|point| point.0), 0.0..1.3 * most(|point| point.1))?;
    chart
        .configure_mesh()
        .x_desc(across)
        .y_desc(up)
        .light_line_style(TRANSPARENT)
        .label_style(("sans-serif", 12))
        .draw()?;
    for ((name, points), colour) in series.iter().zip(COLOURS) {
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)).point_size(3))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 12))
        .background_style(WHITE)
        .draw()?;
    root.present()?;
    Ok(())
}
