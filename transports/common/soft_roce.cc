#include "transports/common/soft_roce.h"

#include <filesystem>
#include <system_error>

namespace tideway {

bool HasRdmaAdapter(const std::string& adapters) {
  std::error_code missing;
  return std::filesystem::directory_iterator(adapters, missing) !=
         std::filesystem::directory_iterator();
}

bool HasSoftRoce(const std::string& adapters) {
  std::error_code error;
  for (std::filesystem::directory_iterator adapter(adapters, error), end; !error && adapter != end;
       adapter.increment(error)) {
    // Only an adapter in software names the network interface that it stands on.
    std::error_code missing;
    if (std::filesystem::exists(adapter->path() / "parent", missing)) return true;
  }
  return false;
}

}  // namespace tideway
