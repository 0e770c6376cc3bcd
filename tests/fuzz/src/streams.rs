//! A writer, against a vector, and then a reader of what was written, against std's cursor: any
//! pieces, any buffers, with the library's methods and with std's traits.

use arbitrary::Arbitrary;
use owned_memfd::{Errno, MemFdOptions, Reader, SealedMemFd, SeekFrom, Writer};
use std::io::{self, BufRead, Cursor, Read, Seek, Write};

#[derive(Arbitrary, Debug)]
pub struct Case {
    collapse: bool,
    capacity: Option<u32>,
    writers_buffer: u16,
    writes: Vec<Piece>,
    readers_buffer: u16,
    reads: Vec<Take>,
}

#[derive(Arbitrary, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// Many bytes.
    Run {
        byte: u8,
        len: u32,
    },
    Text(String),
    Number(u64),
    Traits(Vec<u8>),
    Flush,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Take {
    Read { len: u16, traits: bool },
    Exact { len: u16, traits: bool },
    Line,
    Buffer { consumed: u16 },
    Seek { to: To, traits: bool },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum To {
    Start(u64),
    Near(u32),
    End(i64),
    Current(i64),
    Back(u16),
}

/// The most pieces of each, and the longest run: one and a half huge pages.
const PIECES: usize = 64;
const RUN: u32 = 3 << 20;
/// The longest content.
const LEN: usize = 8 << 20;

impl Case {
    pub fn run(self) {
        let mut content = Vec::new();
        let sealed = self.write(&mut content);
        let map = sealed.map().expect("it can be mapped");
        assert!(*map == *content, "what was written is there");
        let mut buffer = vec![0; self.readers_buffer.into()];
        let is_buffered = !buffer.is_empty();
        let mut reader = sealed.reader(&mut buffer);
        let mut model = Cursor::new(&content[..]);
        for take in self.reads.into_iter().take(PIECES) {
            take.run(&mut reader, &mut model, is_buffered);
            assert_eq!(reader.position(), model.position());
        }
    }

    /// Writes the pieces, also into `content`, and returns the file.
    fn write(&self, content: &mut Vec<u8>) -> SealedMemFd {
        let mut buffer = vec![0; self.writers_buffer.into()];
        let options = MemFdOptions::new().collapse(self.collapse);
        let writer = match self.capacity {
            None => options.writer("stream", &mut buffer),
            Some(capacity) => {
                options.writer_with_capacity("stream", capacity as usize, &mut buffer)
            }
        };
        let mut writer = writer.expect("there is room for a file");
        for piece in self.writes.iter().take(PIECES) {
            piece.write(&mut writer, content);
            assert_eq!(writer.len(), content.len() as u64);
            assert_eq!(writer.is_empty(), content.is_empty());
        }
        writer.finish().expect("nobody else has the file")
    }
}

impl Piece {
    fn write(&self, writer: &mut Writer<'_>, content: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => {
                writer.write_all(bytes).expect("there is memory");
                content.extend(bytes);
            }
            Self::Run { byte, len } => {
                let len = (*len % RUN) as usize;
                if content.len() + len <= LEN {
                    let bytes = vec![*byte; len];
                    writer.write_all(&bytes).expect("there is memory");
                    content.extend(bytes);
                }
            }
            Self::Text(text) => {
                write!(writer, "<{text}>").expect("there is memory");
                content.extend(format!("<{text}>").bytes());
            }
            Self::Number(number) => {
                writeln!(writer, "{number:>9}").expect("there is memory");
                content.extend(format!("{number:>9}\n").bytes());
            }
            Self::Traits(bytes) => {
                let count = Write::write(writer, bytes).expect("there is memory");
                assert!(count > 0 || bytes.is_empty());
                content.extend(&bytes[..count]);
            }
            Self::Flush => writer.flush().expect("nothing has failed"),
        }
    }
}

impl Take {
    fn run(self, reader: &mut Reader<'_>, model: &mut Cursor<&[u8]>, is_buffered: bool) {
        match self {
            Self::Read { len, traits } => {
                let mut found = vec![0; len.into()];
                let count = if traits {
                    Read::read(reader, &mut found).expect("it can be read")
                } else {
                    reader.read(&mut found).expect("it can be read")
                };
                assert!(count > 0 || len == 0 || rest(model).is_empty());
                assert_eq!(found[..count], rest(model)[..count]);
                model.consume(count);
            }
            Self::Exact { len, traits } => {
                let mut found = vec![0; len.into()];
                let result = if traits {
                    Read::read_exact(reader, &mut found).map_err(drop)
                } else {
                    reader.read_exact(&mut found).map_err(drop)
                };
                // What there is is read even if it is too little.
                let count = rest(model).len().min(found.len());
                assert_eq!(result.is_ok(), count == found.len());
                assert_eq!(found[..count], rest(model)[..count]);
                model.consume(count);
            }
            Self::Line if is_buffered => {
                let (mut found, mut expected) = (Vec::new(), Vec::new());
                reader
                    .read_until(b'\n', &mut found)
                    .expect("it can be read");
                model
                    .read_until(b'\n', &mut expected)
                    .expect("it can be read");
                assert_eq!(found, expected);
            }
            Self::Buffer { consumed } if is_buffered => {
                let found = reader.fill_buf().expect("it can be read");
                assert!(!found.is_empty() || rest(model).is_empty());
                assert!(rest(model).starts_with(found));
                let consumed = usize::from(consumed).min(found.len());
                reader.consume(consumed);
                model.consume(consumed);
            }
            Self::Line | Self::Buffer { .. } => {
                assert_eq!(reader.fill_buf(), Err(Errno::EINVAL));
            }
            Self::Seek { to, traits } => {
                let to = match to {
                    To::Start(to) => io::SeekFrom::Start(to),
                    To::Near(to) => io::SeekFrom::Start(to.into()),
                    To::End(distance) => io::SeekFrom::End(distance),
                    To::Current(distance) => io::SeekFrom::Current(distance),
                    To::Back(distance) => io::SeekFrom::Current(-i64::from(distance)),
                };
                let found = if traits {
                    Seek::seek(reader, to).ok()
                } else {
                    reader.seek(ours(to)).ok()
                };
                // The cursor also goes where no file ends.
                let before = model.position();
                let expected = model.seek(to).ok();
                let expected = expected.filter(|position| i64::try_from(*position).is_ok());
                if expected.is_none() {
                    model.set_position(before);
                }
                assert_eq!(found, expected);
            }
        }
    }
}

fn ours(to: io::SeekFrom) -> SeekFrom {
    match to {
        io::SeekFrom::Start(to) => SeekFrom::Start(to),
        io::SeekFrom::End(distance) => SeekFrom::End(distance),
        io::SeekFrom::Current(distance) => SeekFrom::Current(distance),
    }
}

/// What the model has from its position on.
fn rest<'a>(model: &Cursor<&'a [u8]>) -> &'a [u8] {
    let content = *model.get_ref();
    let start = usize::try_from(model.position()).unwrap_or(usize::MAX);
    content.get(start..).unwrap_or_default()
}
