import Tensors

/// A record: all that a device is told of one computation, with addresses of its own memory. Operations and the C
/// interface fill it, and whoever does has checked that shapes, types and devices fit; both kinds of device read it.
package protocol Call {}

/// A device that computes and is neither the CPU nor a GPU.
package protocol CallRunner: Backend {
  func run(_ call: any Call) throws
}
