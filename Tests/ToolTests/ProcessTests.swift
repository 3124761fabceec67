import Foundation
import InstanceNorm
import TestSupport
import Testing

/// The tool in a process that others interfere with: by signals, by names that are not text, by what they leave out.
@Suite struct ProcessTests {
  private let folder = TemporaryFolder()

  private var temporaries: [String] { folder.contents.filter { $0.hasPrefix(".instnorm-") } }

  private func start(_ arguments: String...) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Tool.path("instnorm"))
    // Not on a GPU, whose driver may have a mind of its own about signals.
    process.arguments = arguments + ["--device", "cpu"]
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    try process.run()
    return process
  }

  /// Foundation's own waiting looks once a second, and has no end.
  private func wait(for process: Process) {
    _ = (0..<20_000).first { _ in
      usleep(500)
      return !process.isRunning
    }
    guard process.isRunning else { return }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  @Test(arguments: [SIGTERM, SIGKILL])
  func `a signal leaves nothing half written, or the next write removes what could not be`(signal: Int32) throws {
    try NPY.write(.zeros([1, 3, 2000, 4000]), to: folder.file("large.npy"))
    // The write may be over before the signal arrives; then try again.
    for _ in 0..<10 {
      try write("old".utf8, to: folder.file("out.npy"))
      let process = try start("apply", "large.npy", "-o", "out.npy")
      while process.isRunning, temporaries.isEmpty {}
      kill(process.processIdentifier, signal)
      wait(for: process)
      guard process.terminationReason == .uncaughtSignal else { continue }
      #expect(process.terminationStatus == signal)
      #expect(try bytes(of: folder.file("out.npy")) == Array("old".utf8))
      #expect(temporaries.count == (signal == SIGKILL ? 1 : 0))
      try NPY.write(.zeros([1]), to: folder.file("other.npy"))
      #expect(temporaries == [])
      return
    }
    Issue.record("signal \(signal) never came in time")
  }

  #if os(Linux)
    @Test(.enabled(if: !Sanitizer.isAddress && !Sanitizer.isThread, "sanitizers catch signals of their own"))
    func `every signal that ends the process is one that it cleans up after`() throws {
      let signals = [
        SIGHUP, SIGINT, SIGQUIT, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGVTALRM, SIGPROF, SIGXCPU, SIGPWR, 40,
      ]
      try NPY.write(.zeros([1, 3, 4, 5]), to: folder.file("x.npy"))
      // It waits for a reader.
      #expect(mkfifo(folder.file("fifo.npy"), 0o600) == 0)
      for signal in signals {
        let process = try start("apply", "x.npy", "-o", "fifo.npy")
        func caught() -> UInt64 {
          let status =
            (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
          let line = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") } ?? ""
          return UInt64(line.split(separator: "\t").last ?? "", radix: 16) ?? 0
        }
        // Those of real time are caught last.
        _ = (0..<20_000).first { _ in
          usleep(500)
          return !process.isRunning || caught() >> 63 == 1
        }
        for other in signals { #expect(caught() >> UInt64(other - 1) & 1 == 1, "signal \(other)") }
        kill(process.processIdentifier, signal)
        wait(for: process)
        #expect(
          process.terminationReason == .uncaughtSignal && process.terminationStatus == signal,
          "\(signal) ended it as \(process.terminationStatus)")
      }
    }
  #endif

  #if os(Linux)
    /// A program's own name is an argument, too, that its maker may leave out.
    @Test func `without a single argument it says what it is for`() throws {
      for environment in [["PATH=/usr/bin:/bin"], []] {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, 1, folder.file("said"), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var variables = environment.map { strdup($0) } + [nil]
        defer { for variable in variables { free(variable) } }
        var none: [UnsafeMutablePointer<CChar>?] = [nil]
        var child: pid_t = 0
        #expect(posix_spawn(&child, Tool.path("instnorm"), &files, nil, &none, &variables) == 0)
        var status: Int32 = -1
        #expect(waitpid(child, &status, 0) == child && status == 0)
        let said = String(decoding: try bytes(of: folder.file("said")), as: UTF8.self)
        #expect(said.hasPrefix("OVERVIEW:") && said.contains("stylize"))
      }
    }
  #endif

  @Test func `a signal that is ignored stays so`() throws {
    try NPY.write(.randomNormal([2, 3, 4, 5], seed: 1), to: folder.file("x.npy"))
    let fifo = folder.file("fifo.npy")
    #expect(mkfifo(fifo, 0o600) == 0)
    // It waits for a reader; the hangup must not end it.
    let shell = try Tool(
      shell: """
        trap '' HUP
        '\(Tool.path("instnorm"))' apply x.npy -o fifo.npy & tool=$!
        sleep 0.3; kill -HUP $tool; sleep 0.1; timeout 20 cat fifo.npy >piped.npy; wait $tool
        """, in: folder.path)
    #expect(shell.status == 0, "\(shell.errors)")
    #expect(try NPY.read(from: folder.file("piped.npy")).shape == [2, 3, 4, 5])
  }

  @Test func `names that differ in bytes that are not text are different files`() throws {
    try NPY.write(
      .randomNormal([1, 4, 5], seed: 1), to: folder.path + "/" + String(fileName: [0x72, 0xE8] + ".npy".utf8))
    try NPY.write(
      .randomNormal([1, 4, 5], seed: 2), to: folder.path + "/" + String(fileName: [0x72, 0xE9] + ".npy".utf8))
    let shell = try Tool(
      shell: """
        one=$(printf 'r\\350'); two=$(printf 'r\\351')
        '\(Tool.path("instnorm"))' apply "$one.npy" -o "y$one.npy" && '\(Tool.path("instnorm"))' apply "$two.npy" -o "y$two.npy"
        cmp -s "y$one.npy" "y$two.npy" && echo same
        ls | wc -l
        '\(Tool.path("instnorm"))' stats "$one.npy"
        '\(Tool.path("instnorm"))' stats "$one.none.npy"
        """, in: folder.path)
    #expect(shell.output.hasPrefix("4\nr\\xE8.npy: (1, 1, 4, 5), float32\n"), "\(shell.output)")
    #expect(shell.errors == "instnorm: r\\xE8.none.npy: cannot be read: No such file or directory\n")
  }

  @Test func `standard output that a link leads to is appended to`() throws {
    try NPY.write(.randomNormal([1, 3, 4, 5], seed: 1), to: folder.file("x.npy"))
    symlink("/dev/stdout", folder.file("link.npy"))
    let shell = try Tool(
      shell: "echo line >log; '\(Tool.path("instnorm"))' apply x.npy -o link.npy >>log", in: folder.path)
    #expect(shell.status == 0, "\(shell.errors)")
    #expect(try bytes(of: folder.file("log")).starts(with: Array("line\n".utf8) + [0x93] + Array("NUMPY".utf8)))
  }

  private static let canHideProc =
    (try? Tool(shell: "unshare -rm mount -t tmpfs none /proc 2>/dev/null").status) == 0

  @Test(.enabled(if: canHideProc && !Sanitizer.isAddress && !Sanitizer.isThread, "needs a name space of its own"))
  func `commands work without /proc`() throws {
    try NPY.write(.randomNormal([1, 3, 4, 5], seed: 1), to: folder.file("x.npy"))
    symlink("/dev/stdout", folder.file("link.npy"))
    let tool = Tool.path("instnorm")
    let shell = try Tool(
      shell: """
        unshare -rm sh -c "mount -t tmpfs none /proc
          '\(tool)' stats x.npy && '\(tool)' apply x.npy -o y.npy && '\(tool)' apply x.npy -o link.npy | wc -c
          '\(tool)' stats"
        """, in: folder.path)
    #expect(shell.output.hasPrefix("x.npy: (1, 3, 4, 5), float32\n") && shell.output.hasSuffix("368\n"))
    #expect(shell.errors == "instnorm: Missing expected argument '<input> ...'\n")
    #expect(try NPY.read(from: folder.file("y.npy")).shape == [1, 3, 4, 5])
  }

  @Test func `closed standard streams are not written to a file in their place`() throws {
    try NPY.write(.randomNormal([1, 3, 4, 5], seed: 1), to: folder.file("x.npy"))
    let tool = Tool.path("instnorm")
    let shell = try Tool(
      shell: """
        '\(tool)' apply x.npy -o y.npy; '\(tool)' apply x.npy -o z.npy <&- >&- 2>&-
        '\(tool)' stats missing.npy <&- >&- 2>&-; cmp y.npy z.npy
        """, in: folder.path)
    #expect(shell.status == 0 && folder.contents == ["x.npy", "y.npy", "z.npy"])
  }
}
