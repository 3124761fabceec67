import Foundation

/// Makes a folder, and those that it is in, unless it is there.
///
/// - Throws: ``FileError/notWritten(path:reason:)``.
package func makeFolder(_ path: String) throws {
  do {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  } catch {
    throw FileError.notWritten(path: path, reason: "the folder cannot be made: \(error.localizedDescription)")
  }
}
