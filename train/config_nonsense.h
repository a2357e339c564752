#ifndef TRAIN_CONFIG_NONSENSE_H_
#define TRAIN_CONFIG_NONSENSE_H_

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace palimpsest {

// Where a message stands in another: a field, and which of its values.
using Place = std::vector<std::pair<const google::protobuf::FieldDescriptor*, int>>;
google::protobuf::Message* At(google::protobuf::Message* root, const Place& place);
// Of `message` and all messages in it, but for the entries of maps.
std::vector<Place> PlacesOf(const google::protobuf::Message& message);

// Sets `field`, a scalar, a list of them or a map, to its n-th nonsense; false if there are not so
// many.
bool SetNonsense(google::protobuf::Message* message, const google::protobuf::FieldDescriptor* field,
                 size_t n);

// The fields that SetNonsense takes, of `type` and all messages it can hold.
std::set<const google::protobuf::FieldDescriptor*> FieldsUnder(
    const google::protobuf::Descriptor* type);

}  // namespace palimpsest

#endif  // TRAIN_CONFIG_NONSENSE_H_
