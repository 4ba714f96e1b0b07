module toolhive.example/cluster/pause

go 1.23
