"""``python -m toolhive_proxy`` runs the proxy."""

from toolhive_proxy.main import main

if __name__ == "__main__":
    main()
