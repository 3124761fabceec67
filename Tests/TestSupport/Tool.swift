import Foundation

/// A program of this package, run as a process.
public struct Tool {
  public let status: Int32
  public let output: String
  public let errors: String

  /// Where a program is that was built with the tests: beside them.
  public static func path(_ program: String) -> String {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path + "/" + program
  }

  public init(_ arguments: [String] = [], program: String = "instnorm", in folder: String? = nil) throws {
    try self.init(executable: Self.path(program), arguments, folder)
  }

  /// What a shell does with a script.
  public init(shell script: String, in folder: String? = nil) throws {
    try self.init(executable: "/bin/sh", ["-c", script], folder)
  }

  private init(executable: String, _ arguments: [String], _ folder: String?) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let (outputPipe, errorPipe) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = outputPipe
    process.standardError = errorPipe
    try process.run()
    // Read while it runs: a full pipe would stop it. What it says of errors is one line, which fits.
    let text = Self.contents(of: outputPipe)
    let errorText = Self.contents(of: errorPipe)
    process.waitUntilExit()
    status = process.terminationStatus
    output = String(decoding: text, as: UTF8.self)
    errors = String(decoding: errorText, as: UTF8.self)
  }

  /// All that comes through a pipe. Foundation's own reading ends the process when a signal interrupts it.
  private static func contents(of pipe: Pipe) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(pipe.fileHandleForReading.fileDescriptor, &buffer, buffer.count)
      if count > 0 {
        bytes += buffer[..<count]
      } else if count == 0 || errno != EINTR {
        return bytes
      }
    }
  }
}
