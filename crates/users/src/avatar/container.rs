//! What kind of image some bytes are, how large it is, and how much memory decoding it will take: read
//! from the container alone, before anything is decoded.
//!
//! A file has to end where its image ends. What is cut off is refused here, because decoders fill in grey
//! for it, and so is what has something else behind it: a file that is two things at once was made by
//! somebody who wants to deceive.

use super::jpeg;

/// The largest image, in pixels.
pub(super) const MOST_PIXELS: u64 = 25_000_000;
/// The longest side, in pixels.
pub(super) const LONGEST_SIDE: u32 = 16_384;
/// How much memory decoding may take, in bytes, the decoded image included. What comes before and after
/// it (the file itself, the small pictures) takes less than 20 MiB.
pub(super) const MOST_MEMORY: u64 = 108 * 1024 * 1024;

/// Why somebody's bytes are no picture that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadImage {
    /// It is nothing that is taken here.
    #[error("this is not a PNG, JPEG, WebP or GIF image")]
    Unsupported,
    /// It begins like an image, but is cut off, damaged, or something else as well.
    #[error("this image is damaged")]
    Broken,
    /// It has too many pixels, or would take too much memory or time.
    #[error("this image is too large")]
    TooLarge,
}

/// A format that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    Webp,
    Gif,
}

/// What the container says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) format: Format,
    pub(super) width: u32,
    pub(super) height: u32,
    /// What decoding takes beside the decoded image, in bytes.
    pub(super) extra_memory: u64,
}

/// Looks at the container. What comes back is within all bounds but that of the decoded image, which
/// only the decoder knows.
pub(super) fn inspect(bytes: &[u8]) -> Result<Shape, BadImage> {
    let shape = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png(bytes)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        jpeg::inspect(bytes)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        webp(bytes)
    } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        gif(bytes)
    } else {
        Err(BadImage::Unsupported)
    }?;
    if shape.width == 0 || shape.height == 0 {
        return Err(BadImage::Broken);
    }
    let is_small = shape.width.max(shape.height) <= LONGEST_SIDE
        && u64::from(shape.width) * u64::from(shape.height) <= MOST_PIXELS
        && shape.extra_memory <= MOST_MEMORY;
    if is_small { Ok(shape) } else { Err(BadImage::TooLarge) }
}

/// Reads numbers and pieces from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], BadImage> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(BadImage::Broken)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, BadImage> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16_be(&mut self) -> Result<u16, BadImage> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u16_le(&mut self) -> Result<u16, BadImage> {
        self.u16_be().map(u16::swap_bytes)
    }

    fn u32_be(&mut self) -> Result<u32, BadImage> {
        self.take(4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn u32_le(&mut self) -> Result<u32, BadImage> {
        self.u32_be().map(u32::swap_bytes)
    }

    fn u24_le(&mut self) -> Result<u32, BadImage> {
        self.take(3).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]))
    }
}

fn length(number: u32) -> usize {
    // A length that does not fit is longer than any file: taking it fails.
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Chunks up to IEND, which has to be the last (PNG, third edition, §5).
fn png(bytes: &[u8]) -> Result<Shape, BadImage> {
    let mut reader = Reader(&bytes[8..]);
    let mut size = None;
    loop {
        let chunk = reader.u32_be()?;
        let kind = reader.take(4)?;
        let mut data = Reader(reader.take(length(chunk))?);
        reader.take(4)?;
        match kind {
            b"IHDR" if size.is_none() => size = Some((data.u32_be()?, data.u32_be()?)),
            b"IEND" if reader.0.is_empty() => break,
            b"IHDR" | b"IEND" => return Err(BadImage::Broken),
            _ if size.is_none() => return Err(BadImage::Broken),
            _ => {}
        }
    }
    let (width, height) = size.ok_or(BadImage::Broken)?;
    Ok(Shape { format: Format::Png, width, height, extra_memory: 0 })
}

/// Blocks up to the trailer, behind which some programs leave zeros (`GIF89a`, §17–27).
fn gif(bytes: &[u8]) -> Result<Shape, BadImage> {
    let mut reader = Reader(&bytes[6..]);
    let (width, height) = (u32::from(reader.u16_le()?), u32::from(reader.u16_le()?));
    let colours = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let flags = reader.byte()?;
    reader.take(2 + colours(flags))?;
    let mut frames = 0;
    loop {
        match reader.byte()? {
            0x2c => {
                reader.take(8)?;
                let flags = reader.byte()?;
                reader.take(colours(flags) + 1)?;
                frames += 1;
            }
            0x21 => {
                reader.byte()?;
            }
            0x3b if frames > 0 && reader.0.iter().all(|&byte| byte == 0) => break,
            _ => return Err(BadImage::Broken),
        }
        loop {
            let block = reader.byte()?;
            if block == 0 {
                break;
            }
            reader.take(block.into())?;
        }
    }
    Ok(Shape { format: Format::Gif, width, height, extra_memory: 0 })
}

/// The parts of a RIFF file, whose own length has to be that of the file (WebP container, RFC 9649 §2).
fn webp(bytes: &[u8]) -> Result<Shape, BadImage> {
    let mut reader = Reader(&bytes[4..]);
    if length(reader.u32_le()?) != bytes.len() - 8 {
        return Err(BadImage::Broken);
    }
    reader.take(4)?;
    let (mut canvas, mut image, mut lossless) = (None, None, 0);
    while !reader.0.is_empty() {
        let kind = reader.take(4)?;
        let chunk = reader.u32_le()?;
        let mut data = Reader(reader.take(length(chunk))?);
        // Chunks begin at even places.
        reader.take((chunk % 2) as usize)?;
        match kind {
            b"VP8X" => {
                data.take(4)?;
                canvas = Some((data.u24_le()? + 1, data.u24_le()? + 1));
            }
            b"VP8 " => {
                data.take(6)?;
                image = Some((u32::from(data.u16_le()? & 0x3fff), u32::from(data.u16_le()? & 0x3fff)));
            }
            b"VP8L" => {
                data.byte()?;
                let bits = data.u32_le()?;
                image = Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1));
                lossless += u64::from(chunk);
            }
            b"ALPH" => lossless += u64::from(chunk),
            // Each frame would be as much work as a picture.
            b"ANIM" | b"ANMF" => return Err(BadImage::Unsupported),
            _ => {}
        }
    }
    let (width, height) = image.ok_or(BadImage::Broken)?;
    if canvas.is_some_and(|canvas| canvas != (width, height)) {
        return Err(BadImage::Broken);
    }
    // The planes, an alpha channel, and for what is lossless the tables of its codes: at most one of some
    // 4 KiB for every 12 bytes, which is what a file that was made for nothing else reaches.
    let pixels = u64::from(width) * u64::from(height);
    let planes = if lossless > 0 { pixels * 4 } else { pixels * 3 / 2 };
    Ok(Shape { format: Format::Webp, width, height, extra_memory: planes + lossless / 12 * 4400 })
}
