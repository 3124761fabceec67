import ArrayFiles
import Foundation

/// Writes a line to standard output, at once and whole.
///
/// - Throws: `FileError.notWritten(path:reason:)`. (On a full disk, `print` would lose the text without a word.)
func say(_ text: String) throws {
  let failure = write(text + "\n", to: STDOUT_FILENO)
  if let failure { throw FileError.notWritten(path: "standard output", reason: failure) }
}

/// Writes a value as JSON to standard output.
func sayJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  try say(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// Writes to standard error. Where that fails there is nobody left to tell.
func tell(_ text: String) {
  _ = write(text, to: STDERR_FILENO)
}

/// - Returns: what went wrong, if anything.
private func write(_ text: String, to descriptor: Int32) -> String? {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return String(cString: strerror(errno)) }
    bytes = bytes.dropFirst(count)
  }
  return nil
}
