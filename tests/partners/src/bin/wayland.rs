//! Clients of a Wayland compositor, without libwayland: `wayland ROLE`, with the compositor's
//! socket in `WAYLAND_DISPLAY`.
//!
//! - `pool` draws into a memory file that the compositor maps, lets it grow, and compares what is
//!   then on the screen. That is the screen of the compositor in `SCREEN`, of which the other one
//!   may be a window.
//! - `keyboard` is a keyboard, whose keymap is a memory file, until it is killed.
//! - `keymap sealed` or `keymap unsealed` starts clients that read the keymap that the compositor
//!   has made of it. Each is a process, whose role is how it reads.

use owned_memfd::{MemFdOptions, OwnedMemFd, SealedMemFd, Seals, SharedMapMut};
use partners::{Outcome, holds};
use std::{
    collections::HashSet,
    env,
    error::Error,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::Command,
    thread,
    time::{Duration, Instant},
};
use wayland_client::{
    Connection, Dispatch, EventQueue, QueueHandle, WEnum,
    globals::{GlobalList, GlobalListContents, registry_queue_init},
    protocol::{
        wl_buffer::{self, WlBuffer},
        wl_compositor::{self, WlCompositor},
        wl_keyboard::{self, WlKeyboard},
        wl_output::{self, WlOutput},
        wl_registry::{self, WlRegistry},
        wl_seat::{self, WlSeat},
        wl_shm::{self, WlShm},
        wl_shm_pool::{self, WlShmPool},
        wl_surface::{self, WlSurface},
    },
};
use wayland_protocols::xdg::shell::client::{
    xdg_surface::{self, XdgSurface},
    xdg_toplevel::{self, XdgToplevel},
    xdg_wm_base::{self, XdgWmBase},
};
use wayland_protocols_misc::zwp_virtual_keyboard_v1::client::{
    zwp_virtual_keyboard_manager_v1::{self, ZwpVirtualKeyboardManagerV1},
    zwp_virtual_keyboard_v1::{self, ZwpVirtualKeyboardV1},
};
use wayland_protocols_wlr::screencopy::v1::client::{
    zwlr_screencopy_frame_v1::{self, ZwlrScreencopyFrameV1},
    zwlr_screencopy_manager_v1::{self, ZwlrScreencopyManagerV1},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// For what takes a compositor some milliseconds, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

const DISPLAY: &str = "WAYLAND_DISPLAY";

/// More than any keymap has.
const MAX_KEYMAP: usize = 1 << 20;

/// In the keymap, so that a client sees whose it is.
const NAME: &str = "a keymap in a memory file";

/// A keymap of one key, and the zero with which a keymap ends.
const KEYMAP: &str = "xkb_keymap {
xkb_keycodes \"ours\" { minimum = 8; maximum = 255; <AC01> = 38; };
xkb_types \"ours\" { type \"ONE_LEVEL\" { modifiers = none; level_name[Level1] = \"Any\"; }; };
xkb_compatibility \"ours\" { interpret.repeat = False; };
xkb_symbols \"ours\" { name[group1] = \"a keymap in a memory file\"; key <AC01> { [ a ] }; };
};
\0";

/// What the compositor has said.
#[derive(Default)]
struct State {
    /// Width and height of the screen, which the window fills.
    size: (i32, i32),
    is_configured: bool,
    released: HashSet<u32>,
    screen: Screen,
    has_keyboard: bool,
    keymap: Option<(OwnedFd, u32)>,
}

/// A picture of the screen that the compositor takes.
#[derive(Default)]
struct Screen {
    /// Format, width, height and bytes of a line.
    shape: Option<(wl_shm::Format, u32, u32, u32)>,
    is_described: bool,
    is_upside_down: bool,
    is_ready: Option<bool>,
}

struct Client {
    queue: EventQueue<State>,
    handle: QueueHandle<State>,
    globals: GlobalList,
    state: State,
}

impl Client {
    /// Connects to the compositor whose socket the environment names so.
    fn connect(variable: &str) -> Result<Self> {
        let socket = env::var(variable)?;
        let connection = Connection::from_socket(UnixStream::connect(socket)?)?;
        let (globals, queue) = registry_queue_init(&connection)?;
        Ok(Self {
            handle: queue.handle(),
            queue,
            globals,
            state: State::default(),
        })
    }

    /// Waits until the state is as it must be.
    fn wait(&mut self, what: &str, mut is_so: impl FnMut(&State) -> bool) -> Outcome {
        let start = Instant::now();
        while !is_so(&self.state) {
            if start.elapsed() > PATIENCE {
                return Err(format!("the compositor has not {what}").into());
            }
            self.queue.roundtrip(&mut self.state)?;
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Takes a picture of the screen, into memory of ours: a pixel is 0xRRGGBB.
    fn take_picture(&mut self) -> Result<Vec<u32>> {
        let output: WlOutput = self.globals.bind(&self.handle, 1..=1, ())?;
        let manager: ZwlrScreencopyManagerV1 = self.globals.bind(&self.handle, 3..=3, ())?;
        self.state.screen = Screen::default();
        let frame = manager.capture_output(0, &output, &self.handle, ());
        self.wait("described its screen", |state| state.screen.is_described)?;
        let shape = self.state.screen.shape;
        let (format, width, height, stride) = shape.ok_or("the screen cannot be copied")?;
        let file = MemFdOptions::new().create("picture")?;
        file.set_len(u64::from(stride * height))?;
        let map = file.map_shared_mut(..)?;
        let pool = self.pool(&file)?;
        let (wide, high) = (width.try_into()?, height.try_into()?);
        let buffer = pool.create_buffer(0, wide, high, stride.try_into()?, format, &self.handle, 0);
        frame.copy(&buffer);
        self.wait("copied its screen", |state| state.screen.is_ready.is_some())?;
        holds(
            self.state.screen.is_ready == Some(true),
            "the compositor fails to copy its screen",
        )?;
        frame.destroy();
        buffer.destroy();
        pool.destroy();
        let mut picture = Vec::new();
        let mut line = vec![0; stride as usize];
        for row in 0..height {
            let is_upside_down = self.state.screen.is_upside_down;
            let row = if is_upside_down {
                height - 1 - row
            } else {
                row
            };
            map.read_exact_at(&mut line, (row * stride) as usize)?;
            for pixel in line.chunks_exact(4).take(width as usize) {
                let [blue, green, red] = match format {
                    wl_shm::Format::Xrgb8888 | wl_shm::Format::Argb8888 => [0, 1, 2],
                    wl_shm::Format::Xbgr8888 | wl_shm::Format::Abgr8888 => [2, 1, 0],
                    other => return Err(format!("pixels of the format {other:?}").into()),
                }
                .map(|at| u32::from(pixel[at]));
                picture.push(red << 16 | green << 8 | blue);
            }
        }
        Ok(picture)
    }

    /// Gives the whole file to the compositor.
    fn pool(&self, file: &OwnedMemFd) -> Result<WlShmPool> {
        let shm: WlShm = self.globals.bind(&self.handle, 1..=1, ())?;
        let len = file.len()?.try_into()?;
        Ok(shm.create_pool(file.as_fd(), len, &self.handle, ()))
    }

    /// Waits until the screen shows somewhere what a client has drawn.
    fn expect(&mut self, client: &mut Self, drawn: &[u32]) -> Outcome {
        let width = client.state.size.0.try_into()?;
        let start = Instant::now();
        loop {
            client.queue.roundtrip(&mut client.state)?;
            let shown = self.take_picture()?;
            if contains(&shown, self.state.size.0.try_into()?, drawn, width) {
                return Ok(());
            }
            holds(
                start.elapsed() < PATIENCE,
                "the screen does not show what was drawn",
            )?;
        }
    }
}

/// Whether the drawing is a part of the picture. The widths are those of their lines.
fn contains(picture: &[u32], width: usize, drawing: &[u32], drawn_width: usize) -> bool {
    (0..picture.len()).any(|corner| {
        drawing.chunks(drawn_width).enumerate().all(|(row, line)| {
            let start = corner + row * width;
            picture.get(start..start + drawn_width) == Some(line)
        })
    })
}

/// The pixels of a picture: in no two are they alike, nor in two lines of one.
fn pixels(picture: u32, count: u32) -> Vec<u32> {
    (0..count)
        .map(|at| (at ^ (picture << 24)).wrapping_mul(0x9e37_79b1) >> 8)
        .collect()
}

/// Draws the pixels into the pool from `offset` on.
fn draw(map: &SharedMapMut, offset: usize, pixels: &[u32]) -> Outcome {
    for (index, pixel) in pixels.iter().enumerate() {
        map.write_all_at(&pixel.to_le_bytes(), offset + 4 * index)?;
    }
    Ok(())
}

/// Draws three times, at two places of a pool that grows between.
fn pool() -> Outcome {
    let mut client = Client::connect(DISPLAY)?;
    let mut screen = Client::connect("SCREEN")?;
    let handle = client.handle.clone();
    let output: WlOutput = client.globals.bind(&handle, 1..=1, ())?;
    let compositor: WlCompositor = client.globals.bind(&handle, 4..=4, ())?;
    let shell: XdgWmBase = client.globals.bind(&handle, 1..=1, ())?;
    let surface = compositor.create_surface(&handle, ());
    let window = shell.get_xdg_surface(&surface, &handle, ());
    let toplevel = window.get_toplevel(&handle, ());
    toplevel.set_fullscreen(Some(&output));
    surface.commit();
    client.wait("made a window", |state| state.is_configured)?;
    let (width, height) = client.state.size;
    let count = u32::try_from(width * height)?;
    let len = 4 * count as usize;

    // Sealed against shrinking and against nothing else: the map sees to that.
    let file = MemFdOptions::new().create("pool")?;
    file.set_len(len as u64)?;
    let mut map = file.map_shared_mut(..)?;
    let pool = client.pool(&file)?;
    let buffer = |id: u32, offset: usize| -> Result<WlBuffer> {
        let format = wl_shm::Format::Xrgb8888;
        let offset = offset.try_into()?;
        Ok(pool.create_buffer(offset, width, height, 4 * width, format, &handle, id))
    };
    let show = |buffer: &WlBuffer| {
        surface.attach(Some(buffer), 0, 0);
        surface.damage_buffer(0, 0, width, height);
        surface.commit();
    };

    let first = buffer(1, 0)?;
    draw(&map, 0, &pixels(1, count))?;
    show(&first);
    screen.expect(&mut client, &pixels(1, count))?;

    // A buffer that lies beyond the old end, in a pool of twice the length and a page.
    let beyond = len + 4096;
    let longer = beyond + len;
    file.set_len(longer as u64)?;
    map.grow(&file, longer)?;
    pool.resize(longer.try_into()?);
    let second = buffer(2, beyond)?;
    draw(&map, beyond, &pixels(2, count))?;
    client.state.released.clear();
    show(&second);
    screen.expect(&mut client, &pixels(2, count))?;
    client.wait("released the first buffer", |state| {
        state.released.contains(&1)
    })?;

    // The first one is ours again; the other one comes back for it.
    draw(&map, 0, &pixels(3, count))?;
    show(&first);
    screen.expect(&mut client, &pixels(3, count))?;
    client.wait("released the second buffer", |state| {
        state.released.contains(&2)
    })?;

    // It is as the compositor wants it: nobody can cut what it has mapped, and it can grow.
    let seals = file.seals()? & (Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE);
    holds(
        seals == Seals::SHRINK,
        format!("the pool's seals are {seals:?}"),
    )
}

/// Is a keyboard.
fn keyboard() -> Outcome {
    let mut client = Client::connect(DISPLAY)?;
    let handle = client.handle.clone();
    let seat: WlSeat = client.globals.bind(&handle, 1..=7, ())?;
    let manager: ZwpVirtualKeyboardManagerV1 = client.globals.bind(&handle, 1..=1, ())?;
    let keyboard = manager.create_virtual_keyboard(&seat, &handle, ());
    let keymap = SealedMemFd::copy_from_slice("keymap", KEYMAP.as_bytes())?;
    let len = keymap.len().try_into()?;
    keyboard.keymap(wl_keyboard::KeymapFormat::XkbV1.into(), keymap.as_fd(), len);
    loop {
        client.queue.blocking_dispatch(&mut client.state)?;
    }
}

/// Lets clients read the compositor's keymap.
fn keymap(is_sealed: bool) -> Outcome {
    let read = |how: &str| -> Result<Vec<u8>> {
        let output = Command::new(env::current_exe()?).arg(how).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        holds(output.status.success(), format!("{how}: {said}"))?;
        Ok(output.stdout)
    };
    let first = read("verify-or-copy")?;
    let has_name = first
        .windows(NAME.len())
        .any(|part| part == NAME.as_bytes());
    holds(
        has_name && first.ends_with(b"};\n\0"),
        "the first client has not got the keymap of the keyboard",
    )?;
    holds(
        read("verify-or-copy")? == first,
        "the second client has got another keymap than the first",
    )?;
    let verified = read("verify").ok();
    holds(
        verified == is_sealed.then(|| first.clone()),
        "whether the keymap is sealed is not as expected",
    )?;
    // The trap: all clients get the same open file. Each read(2) moves its offset for all of them.
    holds(
        read("read")? == first,
        "the first client that reads from the offset has not got the keymap",
    )?;
    holds(
        read("read")?.is_empty(),
        "the offset of the keymap is not shared: nothing is tried",
    )?;
    holds(
        read("verify-or-copy")? == first,
        "a client has not got the keymap whose offset is at the end",
    )
}

/// Prints the keymap that the compositor gives to this client.
fn print_keymap(read: impl FnOnce(OwnedFd) -> Result<Vec<u8>>) -> Outcome {
    let mut client = Client::connect(DISPLAY)?;
    let handle = client.handle.clone();
    let seat: WlSeat = client.globals.bind(&handle, 1..=7, ())?;
    client.wait("got a keyboard", |state| state.has_keyboard)?;
    seat.get_keyboard(&handle, ());
    client.wait("sent a keymap", |state| state.keymap.is_some())?;
    let (fd, len) = client.state.keymap.take().ok_or("no keymap")?;
    let text = read(fd)?;
    holds(
        text.is_empty() || text.len() == len as usize,
        format!("{} bytes of a keymap of {len}", text.len()),
    )?;
    io::stdout().write_all(&text)?;
    Ok(())
}

/// What a client must not do.
fn read_from_offset(fd: OwnedFd) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    File::from(fd).read_to_end(&mut text)?;
    Ok(text)
}

fn main() -> Outcome {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["pool"] => pool(),
        ["keyboard"] => keyboard(),
        ["keymap", "sealed"] => keymap(true),
        ["keymap", "unsealed"] => keymap(false),
        ["verify"] => print_keymap(|fd| Ok(SealedMemFd::verify(fd, MAX_KEYMAP)?.map()?.to_vec())),
        ["verify-or-copy"] => {
            print_keymap(|fd| Ok(SealedMemFd::verify_or_copy(fd, MAX_KEYMAP)?.map()?.to_vec()))
        }
        ["read"] => print_keymap(read_from_offset),
        _ => Err("not one of the roles".into()),
    }
}
/// What is told about these objects is of no interest.
macro_rules! ignore {
    ($($object:ident: $event:path),* $(,)?) => {$(
        impl Dispatch<$object, ()> for State {
            fn event(
                _: &mut Self,
                _: &$object,
                _: $event,
                (): &(),
                _: &Connection,
                _: &QueueHandle<Self>,
            ) {
            }
        }
    )*};
}

ignore! {
    WlCompositor: wl_compositor::Event,
    XdgToplevel: xdg_toplevel::Event,
    WlShm: wl_shm::Event,
    WlShmPool: wl_shm_pool::Event,
    WlSurface: wl_surface::Event,
    ZwlrScreencopyManagerV1: zwlr_screencopy_manager_v1::Event,
    ZwpVirtualKeyboardManagerV1: zwp_virtual_keyboard_manager_v1::Event,
    ZwpVirtualKeyboardV1: zwp_virtual_keyboard_v1::Event,
}

impl Dispatch<WlRegistry, GlobalListContents> for State {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

impl Dispatch<WlBuffer, u32> for State {
    fn event(
        state: &mut Self,
        _: &WlBuffer,
        event: wl_buffer::Event,
        id: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_buffer::Event::Release = event {
            state.released.insert(*id);
        }
    }
}

impl Dispatch<XdgWmBase, ()> for State {
    fn event(
        _: &mut Self,
        shell: &XdgWmBase,
        event: xdg_wm_base::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            shell.pong(serial);
        }
    }
}

impl Dispatch<XdgSurface, ()> for State {
    fn event(
        state: &mut Self,
        surface: &XdgSurface,
        event: xdg_surface::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_surface::Event::Configure { serial } = event {
            surface.ack_configure(serial);
            state.is_configured = true;
        }
    }
}

impl Dispatch<WlOutput, ()> for State {
    fn event(
        state: &mut Self,
        _: &WlOutput,
        event: wl_output::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_output::Event::Mode { width, height, .. } = event {
            state.size = (width, height);
        }
    }
}

impl Dispatch<ZwlrScreencopyFrameV1, ()> for State {
    fn event(
        state: &mut Self,
        _: &ZwlrScreencopyFrameV1,
        event: zwlr_screencopy_frame_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_screencopy_frame_v1::Event;
        let screen = &mut state.screen;
        match event {
            Event::Buffer {
                format: WEnum::Value(format),
                width,
                height,
                stride,
            } => screen.shape = Some((format, width, height, stride)),
            Event::BufferDone => screen.is_described = true,
            Event::Flags { flags } => {
                let upside_down = zwlr_screencopy_frame_v1::Flags::YInvert;
                screen.is_upside_down = flags == WEnum::Value(upside_down);
            }
            Event::Ready { .. } => screen.is_ready = Some(true),
            Event::Failed => screen.is_ready = Some(false),
            _ => {}
        }
    }
}

impl Dispatch<WlSeat, ()> for State {
    fn event(
        state: &mut Self,
        _: &WlSeat,
        event: wl_seat::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_seat::Event::Capabilities {
            capabilities: WEnum::Value(capabilities),
        } = event
        {
            state.has_keyboard = capabilities.contains(wl_seat::Capability::Keyboard);
        }
    }
}

impl Dispatch<WlKeyboard, ()> for State {
    fn event(
        state: &mut Self,
        _: &WlKeyboard,
        event: wl_keyboard::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_keyboard::Event::Keymap {
            format: WEnum::Value(wl_keyboard::KeymapFormat::XkbV1),
            fd,
            size,
        } = event
        {
            state.keymap = Some((fd, size));
        }
    }
}
