// BufferView: an Asio buffer sequence that is a view of buffers that lie elsewhere.

#ifndef TIDEWAY_TRANSPORTS_TCP_BUFFER_VIEW_H_
#define TIDEWAY_TRANSPORTS_TCP_BUFFER_VIEW_H_

namespace tideway::tcp {

template <typename Buffer>
struct BufferView {
  using value_type = Buffer;
  using const_iterator = const Buffer*;
  const Buffer* first;
  const Buffer* last;
  const_iterator begin() const { return first; }
  const_iterator end() const { return last; }
};

}  // namespace tideway::tcp

#endif  // TIDEWAY_TRANSPORTS_TCP_BUFFER_VIEW_H_
