//! Images for tests, made without a library that could have the same mistakes as the program's.

/// A PNG image with this colour at each place. It is not compressed.
pub fn png(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let rows = (0..height).flat_map(|y| {
        let row: Vec<u8> = (0..width).flat_map(|x| colour(x, y)).collect();
        // Each begins with its filter: none.
        std::iter::once(0).chain(row)
    });
    let pixels: Vec<u8> = rows.collect();
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let data = stored(&pixels);
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(*b"IHDR", &head), &chunk(*b"IDAT", &data), &chunk(*b"IEND", &[])].concat()
}

/// A small one.
pub fn picture() -> Vec<u8> {
    png(8, 8, |x, y| [200, (x * 20).to_le_bytes()[0], (y * 20).to_le_bytes()[0]])
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let sum = kind.iter().chain(data).fold(!0_u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    });
    let length = u32::try_from(data.len()).expect("a test's image is small");
    [&length.to_be_bytes()[..], &kind, data, &(!sum).to_be_bytes()].concat()
}

/// A zlib stream of blocks that are stored as they are (RFC 1950, RFC 1951 §3.2.4).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let last = bytes.chunks(0xffff).count().saturating_sub(1);
    for (number, block) in bytes.chunks(0xffff).enumerate() {
        let length = u16::try_from(block.len()).expect("a block has 65,535 bytes at most");
        out.push(u8::from(number == last));
        out.extend(length.to_le_bytes().into_iter().chain((!length).to_le_bytes()));
        out.extend_from_slice(block);
    }
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), &byte| {
        let low = (low + u32::from(byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    out.extend((high << 16 | low).to_be_bytes());
    out
}

/// A grey JPEG image of this size, of a few bits for each of its blocks: the least that a decoder has to
/// do the whole work for.
pub fn grey_jpeg(width: u16, height: u16) -> Vec<u8> {
    let ([high, low], [wide, narrow]) = (height.to_be_bytes(), width.to_be_bytes());
    let mut out = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    out.extend([1; 64]);
    out.extend([0xff, 0xc0, 0, 17, 8, high, low, wide, narrow, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    // One code of one bit in each table: "no difference" and "end of block".
    for table in [0x00, 0x10] {
        out.extend([0xff, 0xc4, 0, 20, table, 1]);
        out.extend([0; 16]);
    }
    out.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    let blocks = usize::from(width.div_ceil(8)) * usize::from(height.div_ceil(8));
    out.resize(out.len() + (blocks * 6).div_ceil(8), 0);
    out.extend([0xff, 0xd9]);
    out
}
