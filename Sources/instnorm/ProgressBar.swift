import Foundation

/// A bar on standard error that fills as work is done; nothing at all where standard error or standard output is not a
/// terminal.
struct ProgressBar {
  private let total: Int
  private let isShown = Self.canBeShown
  private let started = Date()
  private var lastShown = Date.distantPast
  private var width = 0

  /// Whether there is somebody to see a bar, and nothing else on the terminal that it would be in the way of.
  static var canBeShown: Bool { isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

  init(total: Int) {
    self.total = total
  }

  /// Draws the bar, at most some twenty times a second.
  mutating func show(_ done: Int, _ note: String) {
    guard isShown, done == total || lastShown.timeIntervalSinceNow < -0.05 else { return }
    lastShown = Date()
    let text = "\(done)/\(total)  \(note)"
    // A line that wraps cannot be drawn over.
    let cells = min(30, Self.columns - text.count - 5)
    let filled = cells * done / total
    let line =
      cells > 3
      ? "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: cells - filled) + "] " + text
      : String(text.prefix(Self.columns - 1))
    // What a longer line left behind is written over.
    tell("\r" + line + String(repeating: " ", count: max(0, width - line.count)))
    width = line.count
  }

  /// Draws the bar with the time that is left, if what is to be done takes as long as what is done.
  mutating func showTimeLeft(_ done: Int) {
    let seconds = started.timeIntervalSinceNow * Double(done - total) / Double(max(done, 1))
    show(done, done == 0 || done == total ? "" : "\(Self.clock(seconds)) left")
  }

  /// Removes the bar, for a line of something else.
  mutating func clear() {
    if width > 0 { tell("\r" + String(repeating: " ", count: width) + "\r") }
    width = 0
    lastShown = .distantPast
  }

  static func clock(_ seconds: Double) -> String {
    let seconds = Int(seconds.rounded(.up))
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
    if hours > 0 { return "\(hours) h \(minutes) min" }
    return minutes > 0 ? "\(minutes) min \(seconds % 60) s" : "\(seconds) s"
  }

  /// Leaves the last bar standing and goes to the next line.
  mutating func finish() {
    if width > 0 { tell("\n") }
    width = 0
  }

  private static var columns: Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }
}
