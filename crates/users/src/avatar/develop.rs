//! Making the three pictures out of what somebody sent. It runs in a thread of the studio.

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom};
use std::time::Duration;

use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::imageops::{FilterType, resize};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Limits, Rgba, RgbaImage};
use rustix::time::{ClockId, clock_gettime};

use super::SIZES;
use super::container::{BadImage, Format, LONGEST_SIDE, MOST_MEMORY, Shape, inspect};

/// How much time of a processor it may take. A debug build is many times slower.
pub(super) const BUDGET: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });
/// How much of the picture is kept when it is made smaller: 0 to 100.
const QUALITY: f32 = 82.0;

/// The pictures of one upload, in the order of [`SIZES`].
pub(super) type Developed = [Vec<u8>; SIZES.len()];

/// A decoded image, and how it has to be turned to stand upright.
struct Decoded {
    image: DynamicImage,
    orientation: Orientation,
}

/// Makes the pictures. Nothing of the file but its pixels is in them.
pub(super) fn develop(bytes: &[u8]) -> Result<Developed, BadImage> {
    let deadline = time_of_thread() + BUDGET;
    let shape = inspect(bytes)?;
    let Decoded { image, orientation } = decode(bytes, &shape, deadline)?;
    expect_time(deadline)?;
    // Turned when it is small: the middle of an image is the middle of it turned.
    let mut square = DynamicImage::ImageRgba8(middle(image)?);
    square.apply_orientation(orientation);
    let mut current = square.into_rgba8();
    let mut developed = Developed::default();
    for (size, place) in SIZES.into_iter().zip(&mut developed) {
        expect_time(deadline)?;
        current = resize(&current, size, size, FilterType::CatmullRom);
        let encoder = webp::Encoder::from_rgba(current.as_raw(), size, size);
        *place = encoder.encode_simple(false, QUALITY).map_err(|_| BadImage::Broken)?.to_vec();
    }
    Ok(developed)
}

/// The time of a processor that this thread has had. On a busy machine it has little of an hour: that is not the
/// picture's fault.
pub(super) fn time_of_thread() -> Duration {
    // Seconds and nanoseconds of a clock that begins at nought are never negative.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

pub(super) fn expect_time(deadline: Duration) -> Result<(), BadImage> {
    if time_of_thread() < deadline { Ok(()) } else { Err(BadImage::TooLarge) }
}

fn decode(bytes: &[u8], shape: &Shape, deadline: Duration) -> Result<Decoded, BadImage> {
    match shape.format {
        Format::Png => with(|input| PngDecoder::with_limits(input, limits(shape)), bytes, shape, deadline),
        Format::Jpeg => with(JpegDecoder::new, bytes, shape, deadline),
        Format::Webp => with(WebPDecoder::new, bytes, shape, deadline),
        Format::Gif => with(GifDecoder::new, bytes, shape, deadline),
    }
}

fn with<'b, D: ImageDecoder>(
    make: impl FnOnce(Timed<'b>) -> image::ImageResult<D>,
    bytes: &'b [u8],
    shape: &Shape,
    deadline: Duration,
) -> Result<Decoded, BadImage> {
    let mut decoder = make(Timed { input: Cursor::new(bytes), deadline }).map_err(|error| bad(&error))?;
    if decoder.dimensions() != (shape.width, shape.height) {
        return Err(BadImage::Broken);
    }
    if decoder.total_bytes() + shape.extra_memory > MOST_MEMORY {
        return Err(BadImage::TooLarge);
    }
    decoder.set_limits(limits(shape)).map_err(|error| bad(&error))?;
    // What it says about its position and is not understood is not believed.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(|error| bad(&error))?;
    Ok(Decoded { image, orientation })
}

fn limits(shape: &Shape) -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY - shape.extra_memory);
    limits
}

/// Decoders do not tell late from damaged; the next look at the clock does.
fn bad(error: &image::ImageError) -> BadImage {
    match error {
        image::ImageError::Limits(_) => BadImage::TooLarge,
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::TimedOut => BadImage::TooLarge,
        image::ImageError::Unsupported(_) => BadImage::Unsupported,
        _ => BadImage::Broken,
    }
}

/// The middle square, made smaller by whole numbers until it is less than twice what is wanted. That way
/// a large image never is there twice.
fn middle(image: DynamicImage) -> Result<RgbaImage, BadImage> {
    let size = (image.width(), image.height());
    match image {
        DynamicImage::ImageLuma8(image) => Ok(shrink::<u8, 1>(image.as_raw(), size)),
        DynamicImage::ImageLumaA8(image) => Ok(shrink::<u8, 2>(image.as_raw(), size)),
        DynamicImage::ImageRgb8(image) => Ok(shrink::<u8, 3>(image.as_raw(), size)),
        DynamicImage::ImageRgba8(image) => Ok(shrink::<u8, 4>(image.as_raw(), size)),
        DynamicImage::ImageLuma16(image) => Ok(shrink::<u16, 1>(image.as_raw(), size)),
        DynamicImage::ImageLumaA16(image) => Ok(shrink::<u16, 2>(image.as_raw(), size)),
        DynamicImage::ImageRgb16(image) => Ok(shrink::<u16, 3>(image.as_raw(), size)),
        DynamicImage::ImageRgba16(image) => Ok(shrink::<u16, 4>(image.as_raw(), size)),
        // No decoder of ours makes floating-point images.
        _ => Err(BadImage::Unsupported),
    }
}

/// A sample of 8 or 16 bits.
trait Sample: Copy {
    /// Its 8 high bits.
    fn high(self) -> u8;
}

impl Sample for u8 {
    fn high(self) -> u8 {
        self
    }
}

impl Sample for u16 {
    fn high(self) -> u8 {
        self.to_be_bytes()[0]
    }
}

/// Averages blocks of the middle square. Of one or two channels the first is grey, of two or four the last
/// is opacity; a pixel counts as much as it is opaque, or what nobody sees would colour the edges.
fn shrink<S: Sample, const CHANNELS: usize>(samples: &[S], (width, height): (u32, u32)) -> RgbaImage {
    let side = width.min(height);
    let block = (side / SIZES[0]).max(1);
    let small = side / block;
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let colours = CHANNELS - usize::from(CHANNELS.is_multiple_of(2));
    // Sums of a row of blocks: weighted channels, and the weight itself.
    let mut sums = vec![[0_u32; 4]; small as usize];
    let mut out = RgbaImage::new(small, small);
    let per_block = block as usize * CHANNELS;
    for (y, out_row) in (0..small).zip(out.rows_mut()) {
        sums.fill([0; 4]);
        for line in 0..block {
            let from = ((top + y * block + line) as usize * width as usize + left as usize) * CHANNELS;
            let row = &samples[from..from + small as usize * per_block];
            for (sum, blocks) in sums.iter_mut().zip(row.chunks_exact(per_block)) {
                for pixel in blocks.chunks_exact(CHANNELS) {
                    let weight = if colours == CHANNELS { 255 } else { u32::from(pixel[colours].high()) };
                    for (channel, sample) in pixel[..colours].iter().enumerate() {
                        sum[channel] += u32::from(sample.high()) * weight;
                    }
                    sum[3] += weight;
                }
            }
        }
        for (sum, pixel) in sums.iter().zip(out_row) {
            *pixel = average(*sum, colours, block * block);
        }
    }
    out
}

/// The pixel that a block comes to.
fn average(sum: [u32; 4], colours: usize, pixels: u32) -> Rgba<u8> {
    // What was summed up from bytes fits into one again.
    let mean = |total: u32, count: u32| u8::try_from((total + count / 2) / count.max(1)).unwrap_or(u8::MAX);
    let [red, green, blue] = std::array::from_fn(|channel| mean(sum[if colours == 1 { 0 } else { channel }], sum[3]));
    Rgba([red, green, blue, mean(sum[3], pixels)])
}

/// A file that cannot be read any more once the time is over: so ends a decoder that works without end.
struct Timed<'b> {
    input: Cursor<&'b [u8]>,
    deadline: Duration,
}

impl Timed<'_> {
    fn expect_time(&self) -> std::io::Result<()> {
        expect_time(self.deadline).map_err(|late| std::io::Error::new(std::io::ErrorKind::TimedOut, late))
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.expect_time()?;
        self.input.read(into)
    }
}

impl BufRead for Timed<'_> {
    /// A little at a time, or one look at the clock would have to do for the whole file.
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.expect_time()?;
        let rest = self.input.fill_buf()?;
        Ok(&rest[..rest.len().min(16 * 1024)])
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
    }
}

impl Seek for Timed<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.input.seek(to)
    }
}
