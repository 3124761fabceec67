import ArgumentParser
import Foundation

@main
struct Instnorm: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "instnorm",
    abstract: "Instance normalisation of pictures and arrays.",
    discussion: """
      Files that end in .npy are arrays: (C, H, W), (N, C, H, W) or (N, C, D, H, W). All others are pictures, in any \
      format that libvips reads or writes: (1, 3, H, W) in colour, (1, 1, H, W) in grey, values 0 to 1.
      """,
    version: "0.1.0",
    subcommands: [Apply.self, Transfer.self, Fit.self, Stats.self, Devices.self])

  /// Errors are one line on standard error; the exit status is 64 for usage and 1 for everything else.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      let code = exitCode(for: error)
      if code == .success {
        print(fullMessage(for: error))
        return
      }
      let isUsage = code == .validationFailure
      let text = isUsage ? message(for: error) : "\(error)"
      let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
      FileHandle.standardError.write(Data("instnorm: \(line)\n".utf8))
      Foundation.exit(isUsage ? code.rawValue : ExitCode.failure.rawValue)
    }
  }
}
