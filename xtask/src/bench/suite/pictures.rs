//! A picture of somebody: from the photograph that is sent to the three that are kept.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use serde_json::json;

use super::client::{Connection, post};
use super::load::percentile;
use super::machine::{Quiet, largest_megabytes, resident_megabytes};
use super::program::Program;
use super::seed::{self, PASSWORD};
use super::table::{Goal, Table};
use super::{Plan, say};

/// A photograph of 12 megapixels.
const SIZE: (u32, u32) = (4_000, 3_000);
/// How many are sent in a turn.
const TIMES: usize = 8;

/// The row.
pub async fn rows(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    let folder = folder.join("pictures");
    seed::folder(&folder, 1).await?;
    let photograph = photograph()?;
    let program = Program::start(&folder)?;
    let body = json!({"email": seed::email(1), "password": PASSWORD});
    let mut connection = Connection::open(program.port).await?;
    let answer = connection.call(&post("/api/v1/auth/login", &body)).await?.json(200)?;
    let token = answer["access_token"].as_str().context("no token")?.to_owned();
    let (mut took, mut most) = (Vec::new(), 0.0_f64);
    for turn in 1..=plan.turns {
        say(&format!("a picture of {} MB: turn {turn}", photograph.len() / 1_000_000));
        quiet.wait().await?;
        let before = resident_megabytes(program.id())?;
        for _ in 0..TIMES {
            took.push(put(program.port, &token, &photograph)?);
        }
        most = most.max(largest_megabytes(program.id())? - before);
    }
    program.stop()?;
    took.sort_unstable();
    let (median, slowest) = (percentile(&took, 0.5), percentile(&took, 0.99));
    let goals = [
        Goal::below(median.as_secs_f64() * 1e3, 150.0, "ms"),
        Goal::below(most * 1e6 / 1_048_576.0, 128.0, "MiB more at most"),
    ];
    table.times("avatar in three sizes, from a JPEG of 12 megapixels", median, slowest, &goals);
    Ok(())
}

/// A JPEG with gradients and grain, as a photograph has them.
fn photograph() -> Result<Vec<u8>> {
    let mut grain = 12_345_u32;
    let picture = RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (grain >> 28) as u8;
        Rgb([(x / 16) as u8 ^ noise, (y / 12) as u8 ^ noise, ((x + y) / 28) as u8 ^ noise])
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&picture)?;
    Ok(bytes)
}

/// Sends it, and waits until it is kept.
fn put(port: u16, token: &str, picture: &[u8]) -> Result<Duration> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect")?;
    let head = format!(
        "PUT /api/v1/users/me/avatar HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: image/jpeg\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        picture.len()
    );
    let begun = Instant::now();
    stream.write_all(head.as_bytes())?;
    stream.write_all(picture)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let took = begun.elapsed();
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("a picture was answered with {}", answer.lines().next().unwrap_or_default());
    }
    Ok(took)
}
