import ArgumentParser
import ArrayFiles
import Foundation
import ImageFiles
import InstanceNorm
import Text

/// The files that a verb goes over, and where the result of each is written.
struct PictureJobs {
  struct Job {
    let input: String
    /// Empty where a verb only reads.
    let output: String
  }

  /// What stands for standard input and output.
  static let stream = "-"

  let jobs: [Job]
  /// Whether one failure does not keep the rest from being done: there was a folder, or several inputs.
  let areMany: Bool

  static let inputHelp = """
    Pictures, folders of pictures, or .npy arrays; - is standard input.
    """
  static let outputHelp = """
    The file to write, a picture or an .npy array; - is standard output, as PNG. Of several inputs, or a folder, a \
    folder: a name that ends in a slash, or one that is there.
    """

  /// - Throws: `ValidationError` where inputs and output do not go together; `FileError`.
  init(_ inputs: [String], to output: String) throws {
    try Self.requireOneStream(inputs)
    let folders = inputs.filter { $0 != Self.stream && Self.isFolder($0) }
    areMany = inputs.count > 1 || !folders.isEmpty
    guard output.hasSuffix("/") || (output != Self.stream && Self.isFolder(output)) else {
      if areMany {
        throw ValidationError(
          "--output: for a folder or several inputs, expected a folder, whose name ends in a slash; got '\(output.shown)'"
        )
      }
      if output != Self.stream { try checkOutput(output) }
      jobs = [Job(input: inputs[0], output: output)]
      return
    }
    var found: [Job] = []
    var inputOf: [String: String] = [:]
    for input in try inputs.flatMap({ folders.contains($0) ? try Picture.files(in: $0) : [$0] }) {
      let result = Self.output(for: input, in: output)
      if let other = inputOf.updateValue(input, forKey: result) {
        throw ValidationError("--output: '\(result.shown)' would be the result of \(other.shown) and of \(input.shown)")
      }
      if Self.isSame(input, result) {
        throw ValidationError("--output: '\(result.shown)' is an input; results need a folder of their own")
      }
      found.append(Job(input: input, output: result))
    }
    guard !found.isEmpty else { throw FileError.noPictures(in: inputs[0]) }
    if !Self.isFolder(output), mkdir(output.fileName, 0o777) != 0 {
      throw FileError.notWritten(path: output, reason: Self.systemMessage)
    }
    jobs = found
  }

  /// Of a verb that only reads.
  ///
  /// - Throws: `FileError` where a folder cannot be read or has no pictures; `ValidationError`.
  init(_ inputs: [String]) throws {
    try Self.requireOneStream(inputs)
    let folders = inputs.filter { $0 != Self.stream && Self.isFolder($0) }
    areMany = inputs.count > 1 || !folders.isEmpty
    jobs = try inputs.flatMap { folders.contains($0) ? try Picture.files(in: $0) : [$0] }
      .map { Job(input: $0, output: "") }
    guard !jobs.isEmpty else { throw FileError.noPictures(in: inputs[0]) }
  }

  private static func requireOneStream(_ inputs: [String]) throws {
    if inputs.count(where: { $0 == stream }) > 1 { throw ValidationError("standard input can be read once") }
  }

  private static var systemMessage: String { String(cString: strerror(errno)) }

  /// Under the input's name; as PNG where that is of a format that is only read.
  private static func output(for input: String, in folder: String) -> String {
    let name = input == stream ? "stdin.png" : (input as NSString).lastPathComponent
    let path = join(folder, name)
    return isArrayFile(path) || Picture.canWrite(to: path)
      ? path : join(folder, (name as NSString).deletingPathExtension + ".png")
  }

  private static func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path.fileName, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private static func isSame(_ path: String, _ other: String) -> Bool {
    var (status, another) = (stat(), stat())
    return path != stream && stat(path.fileName, &status) == 0 && stat(other.fileName, &another) == 0
      && status.st_dev == another.st_dev && status.st_ino == another.st_ino
  }

  // MARK: Going over them

  /// Does something with each file, with a progress bar where there are several. What goes wrong with one of several is
  /// said in a line on standard error, and the rest is done.
  ///
  /// - Parameter body: is given where to read, which of standard input is a file of its own, and where to write.
  /// - Throws: what `body` throws, of one input alone; else how many failed.
  func run(_ body: (_ input: String, _ output: String) throws -> Void) throws {
    func run(_ job: Job) throws {
      guard job.input == Self.stream else { return try body(job.input, job.output) }
      let input = try StandardInput()
      do {
        try body(input.path, job.output)
      } catch {
        throw Renamed(description: "\(error)".replacing(input.path, with: "standard input"))
      }
    }
    guard areMany else { return try run(jobs[0]) }
    var bar = ProgressBar(total: jobs.count)
    var failures = 0
    for (done, job) in jobs.enumerated() {
      bar.showTimeLeft(done)
      do {
        try run(job)
      } catch {
        failures += 1
        bar.clear()
        tell(line(error, about: job))
      }
    }
    bar.showTimeLeft(jobs.count)
    bar.finish()
    if failures > 0 { throw SomeFailed(description: "\(failures) of \(jobs.count) failed, the others are done") }
  }

  private func line(_ error: any Error, about job: Job) -> String {
    let text = "\(error)"
    let isNamed = text.contains(job.input.shown) || (!job.output.isEmpty && text.contains(job.output.shown))
    return "instnorm: \(oneLine(isNamed ? text : "\(job.input.shown): \(text)").shown)\n"
  }

  private struct Renamed: Error, CustomStringConvertible {
    let description: String
  }

  private struct SomeFailed: Error, CustomStringConvertible {
    let description: String
  }
}
