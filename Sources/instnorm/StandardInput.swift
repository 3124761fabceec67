import ArrayFiles
import Foundation

/// What comes through standard input, as a file without a name that is gone with the process.
struct StandardInput {
  /// Under which it is opened.
  let path: String

  /// - Throws: `FileError.unreadable(path:reason:)`.
  init() throws {
    func fault() -> FileError { .unreadable(path: "standard input", reason: String(cString: strerror(errno))) }
    var name = Array("\(NSTemporaryDirectory())/instnorm-XXXXXX".utf8CString)
    let descriptor = mkstemp(&name)
    guard descriptor >= 0 else { throw fault() }
    unlink(name)
    path = "/dev/fd/\(descriptor)"
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(STDIN_FILENO, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw fault() }
      if count == 0 { return }
      var rest = buffer[..<count]
      while !rest.isEmpty {
        let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { throw fault() }
        rest = rest.dropFirst(written)
      }
    }
  }
}
