//! A client that does what a library would not: stops in the middle, sends less than it said, goes away.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One connection with one request on it.
pub struct RawRequest(BufReader<TcpStream>);

impl RawRequest {
    /// Connects and says nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    /// `POST /runs` with these headers, up to the point where the server asks for the body: somebody reads it then.
    pub async fn post(address: SocketAddr, token: &str, headers: &str) -> Self {
        let mut request = Self::connect(address).await;
        let head = format!(
            "POST /runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Expect: 100-continue\r\nConnection: close\r\n{headers}\r\n\r\n"
        );
        request.send(head.as_bytes()).await;
        let mut line = String::new();
        request.0.read_line(&mut line).await.unwrap();
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
        request.0.read_line(&mut line).await.unwrap();
        request
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }

    /// The first line of the next answer; the rest of it is read over.
    pub async fn status_line(&mut self) -> String {
        let (mut first, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).await.unwrap(), 0, "the connection ended");
            let line = line.trim_end().to_ascii_lowercase();
            if first.is_empty() {
                first = line.to_uppercase();
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            } else if line.is_empty() {
                self.0.read_exact(&mut vec![0; length]).await.unwrap();
                return first;
            }
        }
    }

    /// Whether something of an answer is there already.
    pub fn has_answer(&self) -> bool {
        !self.0.buffer().is_empty() || self.0.get_ref().try_read(&mut [0]).is_ok()
    }

    /// What comes until the connection ends, however it does.
    pub async fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.0.read_to_end(&mut bytes).await;
        bytes
    }

    /// The status and the rest of the answer, which ends with the connection.
    pub async fn answer(mut self) -> (u16, String) {
        let mut text = String::new();
        self.0.read_to_string(&mut text).await.unwrap();
        (text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer"), text)
    }
}
