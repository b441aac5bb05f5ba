//! What is taken as a picture, what is not, and what is left of it.

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, Frame, ImageEncoder as _, ImageFormat, Rgb, RgbImage, RgbaImage};

use super::container::{BadImage, inspect};
use super::develop::{Developed, develop, expect_time, time_of_thread};
use super::{Found, SIZES};

const RED: Rgb<u8> = Rgb([220, 20, 20]);
const BLUE: Rgb<u8> = Rgb([20, 20, 220]);

/// Red on the left, blue on the right.
fn halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE })
}

fn png(image: &RgbImage) -> Vec<u8> {
    let mut out = Vec::new();
    let (width, height) = image.dimensions();
    PngEncoder::new(&mut out).write_image(image, width, height, ExtendedColorType::Rgb8).unwrap();
    out
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 90).encode_image(image).unwrap();
    out
}

fn gif(images: &[RgbImage]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new(&mut out);
    for image in images {
        encoder.encode_frame(Frame::new(DynamicImage::ImageRgb8(image.clone()).into_rgba8())).unwrap();
    }
    drop(encoder);
    out
}

fn webp(image: &RgbImage, lossless: bool) -> Vec<u8> {
    let encoder = webp::Encoder::from_rgb(image, image.width(), image.height());
    encoder.encode_simple(lossless, 90.0).unwrap().to_vec()
}

/// A chunk of a PNG image.
fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut sum = !0_u32;
    for &byte in kind.iter().chain(data) {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_be_bytes()[..], &kind, data, &(!sum).to_be_bytes()].concat()
}

/// A PNG image that says it has this size, and has next to nothing behind it.
fn claims(width: u32, height: u32) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let data = [0x78, 0x9c, 0x63, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(*b"IHDR", &head), &chunk(*b"IDAT", &data), &chunk(*b"IEND", &[])].concat()
}

/// A segment behind the start of a JPEG image.
fn with_segment(jpeg: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, kind], &length, data, &jpeg[2..]].concat()
}

/// Exif that says how the camera was held, and more than that.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0];
    [&b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01"[..], &entry, &[0, 0, 0, 0], b"GPS 52.5163 13.3777"].concat()
}

#[test]
fn i3_a_picture_has_its_time_of_a_processor_however_busy_the_machine_is() {
    let deadline = time_of_thread() + std::time::Duration::from_millis(20);
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(expect_time(deadline), Ok(()), "to wait is not to work");
    let mut turns = 0_u64;
    while expect_time(deadline).is_ok() {
        turns += 1;
    }
    assert!(turns > 0 && time_of_thread() >= deadline);
}

fn decoded(picture: &[u8]) -> RgbaImage {
    image::load_from_memory_with_format(picture, ImageFormat::WebP).unwrap().into_rgba8()
}

fn is_near(image: &RgbaImage, (x, y): (u32, u32), expected: Rgb<u8>) -> bool {
    let found = image.get_pixel(x, y).0;
    (0..3).all(|channel| found[channel].abs_diff(expected.0[channel]) < 40) && found[3] == 255
}

fn are_halves(developed: &Developed) -> bool {
    developed.iter().zip(SIZES).all(|(picture, size)| {
        let image = decoded(picture);
        image.dimensions() == (size, size)
            && is_near(&image, (size / 8, size / 2), RED)
            && is_near(&image, (size - size / 8, size / 2), BLUE)
    })
}

#[test]
fn every_kind_is_taken_and_kept_in_three_sizes() {
    for (width, height) in [(1300, 640), (40, 90)] {
        let image = halves(width, height);
        let kinds =
            [png(&image), jpeg(&image), gif(std::slice::from_ref(&image)), webp(&image, false), webp(&image, true)];
        for (at, bytes) in kinds.iter().enumerate() {
            let developed = develop(bytes).unwrap_or_else(|error| panic!("{at} {width}x{height}: {error}"));
            assert!(are_halves(&developed), "{at} {width}x{height}");
        }
    }
}

#[test]
fn of_a_moving_picture_the_first_is_kept() {
    let frames = [halves(64, 64), RgbImage::from_pixel(64, 64, BLUE)];
    assert!(are_halves(&develop(&gif(&frames)).unwrap()));
}

#[test]
fn other_depths_and_channels_are_taken() {
    let rgb = DynamicImage::ImageRgb8(halves(600, 600));
    for image in [
        DynamicImage::ImageRgba8(rgb.to_rgba8()),
        DynamicImage::ImageRgb16(rgb.to_rgb16()),
        DynamicImage::ImageRgba16(rgb.to_rgba16()),
    ] {
        let mut out = std::io::Cursor::new(Vec::new());
        image.write_to(&mut out, ImageFormat::Png).unwrap();
        assert!(are_halves(&develop(&out.into_inner()).unwrap()), "{:?}", image.color());
    }
    for image in [
        DynamicImage::ImageLuma8(rgb.to_luma8()),
        DynamicImage::ImageLumaA8(rgb.to_luma_alpha8()),
        DynamicImage::ImageLuma16(rgb.to_luma16()),
        DynamicImage::ImageLumaA16(rgb.to_luma_alpha16()),
    ] {
        let mut out = std::io::Cursor::new(Vec::new());
        image.write_to(&mut out, ImageFormat::Png).unwrap();
        let grey = decoded(&develop(&out.into_inner()).unwrap()[0]);
        let [red, green, blue, opacity] = grey.get_pixel(60, 256).0;
        assert!(red.abs_diff(green) < 4 && green.abs_diff(blue) < 4 && opacity == 255, "{:?}", image.color());
    }
}

#[test]
fn what_nobody_sees_colours_no_edge() {
    // Opaque red beside transparent green, in stripes narrower than a block.
    let image = RgbaImage::from_fn(2048, 2048, |x, _| {
        if x % 2 == 0 { image::Rgba([255, 0, 0, 255]) } else { image::Rgba([0, 255, 0, 0]) }
    });
    let mut out = std::io::Cursor::new(Vec::new());
    image.write_to(&mut out, ImageFormat::Png).unwrap();
    let [red, green, _, opacity] = decoded(&develop(&out.into_inner()).unwrap()[0]).get_pixel(256, 256).0;
    assert!(red > 240 && green < 15 && opacity.abs_diff(127) < 4, "{red} {green} {opacity}");
}

#[test]
fn a_photograph_stands_upright() {
    let photograph = jpeg(&halves(400, 400));
    // 6: to be turned by a quarter, so that the left side is on top; 3: by half; 1: as it is.
    for (orientation, red, blue) in
        [(1, (8, 32), (56, 32)), (3, (56, 32), (8, 32)), (6, (32, 8), (32, 56)), (8, (32, 56), (32, 8))]
    {
        let small = decoded(&develop(&with_segment(&photograph, 0xe1, &exif(orientation))).unwrap()[2]);
        assert!(is_near(&small, red, RED) && is_near(&small, blue, BLUE), "{orientation}");
    }
    assert!(are_halves(&develop(&with_segment(&photograph, 0xe1, &exif(99))).unwrap()));
}

#[test]
fn i3_nothing_but_the_pixels_is_kept() {
    let secret = b"GPS 52.5163 13.3777";
    let with_text = {
        let plain = png(&halves(64, 64));
        [&plain[..33], &chunk(*b"tEXt", &[b"Comment\0", &secret[..]].concat()), &plain[33..]].concat()
    };
    let photograph = jpeg(&halves(64, 64));
    for (at, bytes) in [
        with_segment(&photograph, 0xe1, &exif(1)),
        with_segment(&photograph, 0xfe, secret),
        with_segment(&photograph, 0xe2, &[b"ICC_PROFILE\0\x01\x01", &secret[..]].concat()),
        with_text,
    ]
    .iter()
    .enumerate()
    {
        assert!(bytes.windows(3).any(|window| window == b"GPS"));
        for picture in develop(bytes).unwrap() {
            assert!(!picture.windows(3).any(|window| window == b"GPS"), "{at}");
            assert!(!picture.windows(4).any(|window| [&b"EXIF"[..], b"XMP ", b"ICCP"].contains(&window)), "{at}");
        }
    }
}

#[test]
fn i3_what_is_no_picture_is_refused() {
    for bytes in [
        &b""[..],
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>",
        b"<?xml version=\"1.0\"?><svg/>",
        b"<html><img src=x onerror=alert(1)>",
        b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0",
        b"II*\0\x08\0\0\0",
        b"\0\0\0\x20ftypheic",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"RIFF\x04\0\0\0WAVE",
        b"\x89PNG",
        b"\xff\xd8",
    ] {
        assert_eq!(develop(bytes), Err(BadImage::Unsupported), "{bytes:?}");
    }
    for bytes in [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff", b"GIF89a", b"RIFF\x04\0\0\0WEBP", b"\xff\xd8\xff\xd9"] {
        assert_eq!(develop(bytes), Err(BadImage::Broken), "{bytes:?}");
    }
}

#[test]
fn i3_what_is_cut_off_or_longer_than_its_image_is_refused() {
    let image = halves(96, 64);
    for (at, whole) in
        [png(&image), jpeg(&image), gif(std::slice::from_ref(&image)), webp(&image, false), webp(&image, true)]
            .iter()
            .enumerate()
    {
        for length in 12..whole.len() {
            assert_eq!(develop(&whole[..length]), Err(BadImage::Broken), "{at}, the first {length}");
        }
        for tail in [&b"PK\x03\x04 and a whole archive"[..], b"<script>alert(1)</script>", b"<HTML>", b"%PDF-1.7"] {
            let both = [whole, tail].concat();
            assert_eq!(develop(&both), Err(BadImage::Broken), "{at} and {tail:?}");
            let further = [whole, &[0; 100][..], tail].concat();
            assert_eq!(develop(&further), Err(BadImage::Broken), "{at}, zeros and {tail:?}");
        }
    }
    // What telephones put behind a photograph is not what was sent.
    let second = [jpeg(&image), jpeg(&image)].concat();
    assert!(are_halves(&develop(&second).unwrap()));
    assert!(are_halves(&develop(&[jpeg(&image), vec![0; 64]].concat()).unwrap()));
}

#[test]
fn i3_bombs_are_refused_before_they_are_opened() {
    for (width, height) in
        [(1, 65_535), (65_535, 1), (16_385, 1), (5_001, 5_000), (100_000, 100_000), (u32::MAX, u32::MAX)]
    {
        assert_eq!(develop(&claims(width, height)), Err(BadImage::TooLarge), "{width}x{height}");
    }
    assert_eq!(develop(&claims(0, 5)), Err(BadImage::Broken));
    // It says that it is large, and has nothing: as much as it is allowed is taken, and given back.
    assert_eq!(develop(&claims(5_000, 5_000)), Err(BadImage::Broken));
    let mut giant = gif(&[halves(8, 8)]);
    giant[6..10].fill(0xff);
    assert_eq!(develop(&giant), Err(BadImage::TooLarge));
    let mut tall = jpeg(&halves(8, 8));
    let frame = tall.windows(2).position(|window| window == [0xff, 0xc0]).unwrap();
    tall[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert_eq!(develop(&tall), Err(BadImage::TooLarge));
}

/// A JPEG image that says it comes in this many passes; there is nothing in them.
fn in_passes(side: u16, passes: usize) -> Vec<u8> {
    let side = side.to_be_bytes();
    let frame = [&[0xff, 0xc2, 0, 17, 8][..], &side, &side, &[3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]].concat();
    let pass = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0x55, 0xff, 0x00, 0x55];
    [&[0xff, 0xd8][..], &frame, &pass.repeat(passes), &[0xff, 0xd9]].concat()
}

#[test]
fn i3_images_that_take_too_much_to_decode_are_refused() {
    assert!(inspect(&in_passes(4_000, 10)).is_ok());
    assert_eq!(develop(&in_passes(5_000, 10)), Err(BadImage::TooLarge), "the passes are held in memory");
    assert_eq!(develop(&in_passes(64, 101)), Err(BadImage::TooLarge), "each pass goes over the whole image");
    // Noise, whose tables could be far larger than itself.
    let mut seed = 1_u32;
    let noise = RgbImage::from_fn(700, 700, |_, _| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [_, red, green, blue] = seed.to_le_bytes();
        Rgb([red, green, blue])
    });
    assert_eq!(develop(&webp(&noise, true)), Err(BadImage::TooLarge));
    assert!(develop(&webp(&noise, false)).is_ok());
    let moving = [&b"VP8X\x0a\0\0\0\x02\0\0\0\x07\0\0\x07\0\0"[..], b"ANIM\x06\0\0\0\0\0\0\0\0\0"].concat();
    let length = u32::try_from(moving.len() + 4).unwrap().to_le_bytes();
    assert_eq!(develop(&[b"RIFF", &length[..], b"WEBP", &moving].concat()), Err(BadImage::Unsupported));
}

#[test]
fn i3_whatever_is_changed_in_an_image_nothing_panics() {
    let image = halves(48, 32);
    let mut seed = 7_u32;
    let mut next = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 8
    };
    for whole in [png(&image), jpeg(&image), gif(std::slice::from_ref(&image)), webp(&image, false), webp(&image, true)]
    {
        for _ in 0..40 {
            let mut changed = whole.clone();
            for _ in 0..=next() % 4 {
                let at = next() as usize % changed.len();
                changed[at] = next().to_le_bytes()[0];
            }
            // Either it is still a picture, or it is said that it is none.
            let outcome = std::panic::catch_unwind(|| develop(&changed));
            assert!(outcome.is_ok(), "a decoder panicked; the studio answers `broken_image`, but look: {changed:?}");
        }
    }
}

#[tokio::test]
async fn a_miss_is_known_for_a_moment_and_hides_no_picture_that_is_put() {
    let blobs = storage::Blobs::default();
    let pictures = super::Pictures::new(blobs.clone(), "http://localhost");
    let picture = kernel::PictureId::new(kernel::Timestamp::from_unix_seconds(1_795_000_000));
    let find = async |size: u32| super::find_picture(&pictures, picture, size).await;
    for size in SIZES {
        assert_eq!(find(size).await, Found::Nothing);
        blobs.put(&super::file(picture, size).unwrap(), vec![1]).await.unwrap();
        assert_eq!(find(size).await, Found::Nothing, "the store was asked a moment before");
    }
    // Whoever puts it forgets that.
    super::serve::forget(&pictures, picture);
    for size in SIZES {
        assert_eq!(find(size).await, Found::Picture(vec![1].into()));
    }
    // In another process it is forgotten by itself.
    let other = super::Pictures::new(blobs.clone(), "http://localhost");
    let late = kernel::PictureId::new(kernel::Timestamp::from_unix_seconds(1_795_000_000));
    assert_eq!(super::find_picture(&other, late, 64).await, Found::Nothing);
    blobs.put(&super::file(late, 64).unwrap(), vec![2]).await.unwrap();
    let begun = std::time::Instant::now();
    while super::find_picture(&other, late, 64).await != Found::Picture(vec![2].into()) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "a miss is kept for too long");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
