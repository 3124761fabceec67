import Foundation
import Tensors

/// A regular file, open for reading at any place, or bytes of the program that are read as if they were one.
///
/// Reads are checked against the file's size before anything is allocated for them. The file is read and not
/// mapped, since a mapped file that somebody truncates kills the process.
package final class FileReader: Sendable {
  package let path: String
  /// Bytes in the file when it was opened.
  package let size: Int
  private let source: Source

  private enum Source: @unchecked Sendable {
    case descriptor(Int32)
    /// Nobody changes them.
    case bytes(UnsafeRawBufferPointer)
  }

  /// Bytes that stay where they are for as long as the program runs.
  ///
  /// - Parameter name: what errors call them.
  package init(_ bytes: UnsafeRawBufferPointer, name: String) {
    (path, size, source) = (name, bytes.count, .bytes(bytes))
  }

  /// - Throws: ``FileError/unreadable(path:reason:)`` when there is no such regular file.
  package init(_ path: String) throws {
    if path.fileNameBytes.contains(0) {
      throw FileError.unreadable(path: path, reason: "its name contains a zero byte")
    }
    // O_NONBLOCK: opening a pipe that nobody writes to would wait forever. Regular files ignore it.
    let descriptor = open(path.fileName, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    self.path = path
    guard descriptor >= 0 else {
      throw FileError.unreadable(path: path, reason: systemMessage())
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw FileError.unreadable(
        path: path, reason: status.st_mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is not a regular file")
    }
    size = Int(status.st_size)
    source = .descriptor(descriptor)
  }

  deinit {
    if case .descriptor(let descriptor) = source { close(descriptor) }
  }

  /// Fills a buffer from the bytes at `offset`.
  ///
  /// - Throws: ``FileError/malformed(path:reason:)`` when the file ends before the buffer is full.
  package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    guard var next = buffer.baseAddress else { return }
    let descriptor: Int32
    switch source {
    case .bytes(let bytes):
      guard offset + buffer.count <= size else { throw truncated(needed: offset + buffer.count, what: "its contents") }
      return buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + buffer.count]))
    case .descriptor(let number): descriptor = number
    }
    var (place, left) = (offset, buffer.count)
    while left > 0 {
      let got = pread(descriptor, next, left, off_t(place))
      if got < 0 && errno == EINTR { continue }
      if got < 0 { throw FileError.unreadable(path: path, reason: systemMessage()) }
      if got == 0 { throw truncated(needed: offset + buffer.count, what: "its contents") }
      next += got
      place += got
      left -= got
    }
  }

  /// The bytes of a range, which has to lie in the file.
  ///
  /// - Throws: ``FileError/malformed(path:reason:)`` when it does not, before anything is allocated.
  package func bytes(at offset: Int, count: Int, what: String) throws -> [UInt8] {
    let (end, overflow) = offset.addingReportingOverflow(count)
    guard count >= 0, !overflow, end <= size else {
      throw truncated(needed: overflow ? Int.max : end, what: what)
    }
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try read(at: offset, into: $0) }
    return bytes
  }

  /// A little-endian unsigned integer of `byteCount` bytes.
  package func unsigned(at offset: Int, byteCount: Int, what: String) throws -> UInt64 {
    try bytes(at: offset, count: byteCount, what: what).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A tensor with room for what a file holds.
  ///
  /// - Throws: ``FileError/unreadable(path:reason:)`` when there is no memory for it.
  static func tensor(_ path: String, _ shape: Shape, _ dtype: DType) throws -> Tensor {
    do {
      return try Tensor(uninitialized: shape, dtype: dtype)
    } catch let error as TensorError {
      throw FileError.unreadable(path: path, reason: "\(error)")
    }
  }

  private func truncated(needed: Int, what: String) -> FileError {
    .malformed(path: path, reason: "truncated: \(what) ends at byte \(needed), the file at \(size)")
  }
}

/// What the system says about its last call that failed.
func systemMessage() -> String {
  String(cString: strerror(errno))
}
