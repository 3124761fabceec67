import Calls
import Tensors

package struct ReferencePooling {
  private let call: PoolingCall
  private let geometry: PoolingGeometry
  private let chooser: View

  package init(_ call: PoolingCall) {
    self.call = call
    geometry = call.geometry
    chooser = View(call.chooser, call.picture.dtype, strides: call.picture.strides)
  }

  package func run() {
    switch call.direction {
    case .gather: Axes(geometry.pooledShape).forEachPlace { call.pooled[$0] = call.picture[chosen($0)] }
    case .scatter:
      let extents = Axes(geometry.pictureShape)
      var sums = Array(repeating: 0.0, count: extents.product)
      Axes(geometry.pooledShape).forEachPlace {
        sums[extents.contiguousStrides.offset(of: chosen($0))] += call.pooled[$0]
      }
      extents.forEachPlace { call.picture[$0] = sums[extents.contiguousStrides.offset(of: $0)] }
    }
  }

  /// The rows and columns of a window.
  private func reach(_ window: Axes) -> (rows: Range<Int>, columns: Range<Int>) {
    let (row, column) = (
      window[2] * geometry.strideRows - geometry.top, window[3] * geometry.strideColumns - geometry.left
    )
    return (
      max(row, 0)..<min(row + geometry.windowHeight, geometry.height),
      max(column, 0)..<min(column + geometry.windowWidth, geometry.width)
    )
  }

  /// Where a window's greatest value is.
  private func chosen(_ window: Axes) -> Axes {
    let reach = reach(window)
    var found: Axes = [window[0], window[1], reach.rows.lowerBound, reach.columns.lowerBound]
    var greatest = -Double.infinity
    for row in reach.rows {
      for column in reach.columns {
        let place: Axes = [window[0], window[1], row, column]
        let value = chooser[place]
        if value > greatest || value.isNaN {
          greatest = value
          found = place
        }
      }
    }
    return found
  }
}
