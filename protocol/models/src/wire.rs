//! In place of the wire: each byte is a message.

#[derive(Debug, Default)]
pub(crate) struct LineDecoder {
    bytes: [u8; 8],
    next: usize,
    end: usize,
}

impl LineDecoder {
    pub(crate) fn new(_: usize) -> Self {
        Self::default()
    }

    pub(crate) fn set_limit(&mut self, _: usize) {}

    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.next == self.end {
            (self.next, self.end) = (0, 0);
        }
        &mut self.bytes[self.end..]
    }

    pub(crate) fn advance(&mut self, count: usize) {
        self.end += count;
    }

    pub(crate) fn has_line(&self) -> bool {
        self.next < self.end
    }

    pub(crate) fn next(&mut self) -> Option<u8> {
        let message = self.bytes[self.next..self.end].first().copied()?;
        self.next += 1;
        Some(message)
    }
}
