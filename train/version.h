#ifndef TRAIN_VERSION_H_
#define TRAIN_VERSION_H_

#include <string>

namespace palimpsest {

// Of the sources this program was linked from, as git describes them.
std::string Version();

}  // namespace palimpsest

#endif  // TRAIN_VERSION_H_
