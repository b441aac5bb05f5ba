//! The container of a JPEG image (ITU-T T.81, annex B), walked from its start to its end.

use super::container::{BadImage, Format, Reader, Shape};

/// The most passes over an image. Real encoders make a dozen; thousands keep a decoder busy for minutes.
const MOST_SCANS: u32 = 100;

/// What would be a second thing beside the image in the bytes behind its end. Telephones do put things
/// there (a second picture, a film, notes of their own), so these alone are refused.
const FOREIGN: [&[u8]; 10] = [
    b"<!doctype",
    b"<html",
    b"<script",
    b"<svg",
    b"<?php",
    b"<?xml-stylesheet",
    b"pk\x03\x04",
    b"pk\x05\x06",
    b"%pdf-",
    b"rar!\x1a",
];

struct Frame {
    width: u32,
    height: u32,
    components: u8,
    is_progressive: bool,
    /// Samples of all components for each pixel, in halves, rounded up.
    half_samples: u64,
}

/// What the container says.
pub(super) fn inspect(bytes: &[u8]) -> Result<Shape, BadImage> {
    let mut reader = Reader(&bytes[2..]);
    let mut frame: Option<Frame> = None;
    let mut scans = 0;
    let mut holds_everything = false;
    loop {
        match marker(&mut reader)? {
            0xd9 => break,
            0x01 | 0xd0..=0xd7 => {}
            0x00 | 0xd8 => return Err(BadImage::Broken),
            kind => {
                let length = usize::from(reader.u16_be()?).checked_sub(2).ok_or(BadImage::Broken)?;
                let mut segment = Reader(reader.take(length)?);
                match kind {
                    0xc0..=0xc2 if frame.is_none() => frame = Some(read_frame(&mut segment, kind == 0xc2)?),
                    0xc4 | 0xc8 | 0xcc => {}
                    0xc0..=0xc2 => return Err(BadImage::Broken),
                    // Lossless, hierarchical and arithmetic ones, which nobody sends.
                    0xc3..=0xcf => return Err(BadImage::Unsupported),
                    0xda => {
                        let frame = frame.as_ref().ok_or(BadImage::Broken)?;
                        scans += 1;
                        // An image in several passes is held as a whole until the last one.
                        holds_everything |= frame.is_progressive || segment.byte()? < frame.components;
                        if scans > MOST_SCANS {
                            return Err(BadImage::TooLarge);
                        }
                        skip_coded(&mut reader)?;
                    }
                    _ => {}
                }
            }
        }
    }
    let frame = frame.filter(|_| scans > 0).ok_or(BadImage::Broken)?;
    if is_something_else(reader.0) {
        return Err(BadImage::Broken);
    }
    // Two bytes for each coefficient; sides are filled up to whole blocks.
    let padded = |side: u32| u64::from(side.next_multiple_of(32));
    let coefficients = padded(frame.width) * padded(frame.height) * frame.half_samples;
    Ok(Shape {
        format: Format::Jpeg,
        width: frame.width,
        height: frame.height,
        extra_memory: if holds_everything { coefficients } else { 0 },
    })
}

/// The next marker. Before one there may be any number of `FF`.
fn marker(reader: &mut Reader<'_>) -> Result<u8, BadImage> {
    if reader.byte()? != 0xff {
        return Err(BadImage::Broken);
    }
    loop {
        match reader.byte()? {
            0xff => {}
            marker => return Ok(marker),
        }
    }
}

fn read_frame(segment: &mut Reader<'_>, is_progressive: bool) -> Result<Frame, BadImage> {
    if segment.byte()? != 8 {
        return Err(BadImage::Unsupported);
    }
    let (height, width) = (u32::from(segment.u16_be()?), u32::from(segment.u16_be()?));
    let components = segment.byte()?;
    if !(1..=4).contains(&components) {
        return Err(BadImage::Broken);
    }
    let (mut sum, mut widest, mut tallest) = (0, 1, 1);
    for _ in 0..components {
        let factors = segment.take(3)?[1];
        let (across, down) = (u64::from(factors >> 4), u64::from(factors & 15));
        if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
            return Err(BadImage::Broken);
        }
        sum += across * down;
        (widest, tallest) = (across.max(widest), down.max(tallest));
    }
    let half_samples = (2 * sum).div_ceil(widest * tallest);
    Ok(Frame { width, height, components, is_progressive, half_samples })
}

/// Passes over coded data: up to a marker that is neither a stuffed `FF` nor a restart.
fn skip_coded(reader: &mut Reader<'_>) -> Result<(), BadImage> {
    let mut at = 0;
    loop {
        let found = reader.0[at..].iter().position(|&byte| byte == 0xff).ok_or(BadImage::Broken)?;
        at += found;
        match reader.0.get(at + 1).ok_or(BadImage::Broken)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => {
                reader.take(at)?;
                return Ok(());
            }
        }
    }
}

fn is_something_else(tail: &[u8]) -> bool {
    (0..tail.len()).any(|at| {
        matches!(tail[at], b'<' | b'P' | b'p' | b'%' | b'R' | b'r')
            && FOREIGN
                .iter()
                .any(|sign| tail.get(at..at + sign.len()).is_some_and(|found| found.eq_ignore_ascii_case(sign)))
    })
}
