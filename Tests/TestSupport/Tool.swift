import Foundation

/// A program of this package, run as a process.
public struct Tool {
  public let status: Int32
  public let output: String
  public let errors: String

  /// - Parameters:
  ///   - arguments: the program's; with `shell`, one text that a shell reads, with `limit` before it.
  ///   - program: one that was built with the tests, which lies beside them.
  public init(
    _ arguments: [String] = [], program: String = "instnorm", shell: Bool = false, limit: String = "",
    in folder: String? = nil
  ) throws {
    let process = Process()
    let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let executable = tests.deletingLastPathComponent().appendingPathComponent(program)
    process.executableURL = shell ? URL(fileURLWithPath: "/bin/sh") : executable
    process.arguments = shell ? ["-c", "\(limit) '\(executable.path)' \(arguments.joined(separator: " "))"] : arguments
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let (outputPipe, errorPipe) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = outputPipe
    process.standardError = errorPipe
    try process.run()
    // Read while it runs: a full pipe would stop it. What it says of errors is one line, which fits.
    let text = outputPipe.fileHandleForReading.readDataToEndOfFile()
    let errorText = errorPipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    status = process.terminationStatus
    output = String(decoding: text, as: UTF8.self)
    errors = String(decoding: errorText, as: UTF8.self)
  }
}
