/// What can be wrong with a file. Every case names it.
public enum FileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The system does not let the file be read: it is missing, a folder, or another user's.
  case unreadable(path: String, reason: String)
  /// The file is not what its format demands: truncated, oversized, contradictory, of another format.
  case malformed(path: String, reason: String)
  /// The file is well formed, but holds something that this library does not read.
  case unsupported(path: String, reason: String)
  /// The file has no tensor of this name.
  case missingTensor(path: String, name: String, available: [String])
  /// The file could not be written; what was there before is unchanged.
  case notWritten(path: String, reason: String)

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(Self.shown(path)): cannot be read: \(reason)"
    case .malformed(let path, let reason): "\(Self.shown(path)): \(reason)"
    case .unsupported(let path, let reason): "\(Self.shown(path)): not supported: \(reason)"
    case .missingTensor(let path, let name, let available):
      "\(Self.shown(path)): no tensor \(quoted(name)); \(choice(of: available, for: name, "tensor"))"
    case .notWritten(let path, let reason): "\(Self.shown(path)): cannot be written: \(reason)"
    }
  }

  /// The file.
  public var path: String {
    switch self {
    case .unreadable(let path, _), .malformed(let path, _), .unsupported(let path, _), .notWritten(let path, _),
      .missingTensor(let path, _, _):
      path
    }
  }

  private static func shown(_ path: String) -> String { path.isEmpty ? "''" : path.shown }
}

/// What there is instead of a name that is not there, as an error may list it: all where they are few, else the nearest.
package func choice(of names: [String], for name: String, _ noun: String) -> String {
  let few = 3
  if names.isEmpty { return "there is no \(noun)" }
  if names.count <= few { return "there is \(names.sorted().map(quoted).joined(separator: ", "))" }
  let nearest = nearest(to: name, among: names, count: few).map(quoted).joined(separator: ", ")
  return "nearest of its \(names.count) \(noun)s: \(nearest)"
}
